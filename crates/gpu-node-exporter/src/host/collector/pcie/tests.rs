//! Made machines: which devices are shown, in which places, with which errors.

use super::*;
use crate::host::testing::{collector, values};

/// A machine: each device with its place under `/sys/devices`, class, vendor and more files.
struct Machine(tempfile::TempDir);

impl Machine {
    fn new() -> Self {
        let sys = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(sys.path().join("bus/pci/devices")).unwrap();
        Self(sys)
    }

    fn device(self, place: &str, class: &str, vendor: &str, files: &[(&str, &str)]) -> Self {
        let directory = self.0.path().join("devices").join(place);
        let identity = [("class", class), ("vendor", vendor), ("device", "0x1"), ("revision", "0x0")];
        let subsystem = [("subsystem_vendor", "0x0"), ("subsystem_device", "0x0")];
        for (file, text) in identity.iter().chain(&subsystem).chain(files) {
            let path = directory.join(file);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, format!("{text}\n")).unwrap();
        }
        let address = directory.file_name().unwrap();
        let link = Path::new("../../../devices").join(place);
        std::os::unix::fs::symlink(link, self.0.path().join("bus/pci/devices").join(address)).unwrap();
        self
    }

    fn read(&self) -> (Vec<String>, Vec<String>) {
        let Collected { families, faults, .. } =
            collector(&ENTRY, "/nonexistent".as_ref(), self.0.path(), &[]).collect();
        (values(&families), faults.iter().map(ToString::to_string).collect())
    }
}

/// Eight lines of this severity, one of which happened.
const ERRORS_TEXT: &str = "RxErr 0\nBadTLP 3\nBad DLLP 1\nTOTAL_ERR_COR 4";

#[test]
fn a_gpu_a_nic_and_an_nvme_are_joined_by_their_places() {
    let switch = "pci0000:15/0000:15:01.0/0000:16:00.0/0000:17";
    let machine = Machine::new()
        .device(
            &format!("{switch}:00.0/0000:18:00.0"),
            "0x030200",
            "0x10de",
            &[("numa_node", "1"), ("current_link_speed", "Unknown"), ("max_link_speed", "32.0 GT/s PCIe")],
        )
        .device(
            &format!("{switch}:01.0/0000:19:00.0"),
            "0x020700",
            "0x15b3",
            &[
                ("numa_node", "1"),
                ("infiniband/mlx5_0/fw_ver", "1"),
                ("net/ens1f0/mtu", "1"),
                ("current_link_width", "8"),
                ("max_link_width", "16"),
                ("aer_dev_correctable", ERRORS_TEXT),
            ],
        )
        .device(
            "pci0000:00/0000:00:05.0",
            "0x010802",
            "0x144d",
            &[("numa_node", "-1"), ("nvme/nvme0/state", "live")],
        )
        .device("pci0000:00/0000:00:06.0", "0x030000", "0x1a03", &[])
        .device("pci0000:00/0000:00:07.0", "0x020000", "0x15b3", &[("physfn/class", "0x020000")]);
    let (lines, faults) = machine.read();
    assert_eq!(faults, [] as [&str; 0]);
    let info = |address: &str, rest: &str| {
        format!(r#"node_pci_device_info{{address="{address}",{rest},device_id="0x0001"}} 1"#)
    };
    let name =
        |address: &str, rest: &str| format!(r#"node_pci_device_name_info{{address="{address}",{rest}}} 1"#);
    let nic = r#"address="0000:19:00.0""#;
    assert_eq!(
        lines,
        [
            info(
                "0000:00:05.0",
                r#"pci_bus_id="0000:00:05.0",class="nvme",device="nvme0",numa_node="",root_port="",driver="",vendor_id="0x144d""#
            ),
            info(
                "0000:18:00.0",
                r#"pci_bus_id="0000:18:00.0",class="accelerator",device="",numa_node="1",root_port="0000:15:01.0",driver="",vendor_id="0x10de""#
            ),
            info(
                "0000:19:00.0",
                r#"pci_bus_id="0000:19:00.0",class="network",device="mlx5_0",numa_node="1",root_port="0000:15:01.0",driver="",vendor_id="0x15b3""#
            ),
            name("0000:00:05.0", r#"kind="nvme",device="nvme0""#),
            name("0000:19:00.0", r#"kind="infiniband",device="mlx5_0""#),
            name("0000:19:00.0", r#"kind="net",device="ens1f0""#),
            format!("node_pci_link_lanes{{{nic}}} 8"),
            r#"node_pci_link_max_transfers_per_second{address="0000:18:00.0"} 32000000000"#.to_owned(),
            format!("node_pci_link_max_lanes{{{nic}}} 16"),
            format!(r#"node_pci_aer_errors_total{{{nic},severity="correctable"}} 4"#),
            format!(r#"node_pci_aer_errors_by_kind_total{{{nic},severity="correctable",kind="BadTLP"}} 3"#),
            format!(r#"node_pci_aer_errors_by_kind_total{{{nic},severity="correctable",kind="Bad DLLP"}} 1"#),
        ]
    );
}

#[test]
fn a_root_port_has_what_it_saw_and_what_was_told_to_it() {
    let root = "pci0000:15/0000:15:01.0";
    let port = |files: &[(&str, &str)]| Machine::new().device(root, "0x060400", "0x8086", files);
    let gpu = format!("{root}/0000:16:00.0");
    let (lines, faults) = port(&[
        ("aer_dev_correctable", ERRORS_TEXT),
        ("aer_rootport_total_err_cor", "7"),
        ("aer_rootport_total_err_fatal", "many"),
    ])
    .device(&gpu, "0x030200", "0x10de", &[("aer_dev_fatal", "DLP 0\nTOTAL_ERR_FATAL 0")])
    .device("pci0000:00/0000:00:01.0", "0x060400", "0x8086", &[("aer_rootport_total_err_cor", "9")])
    .read();
    let port = r#"address="0000:15:01.0",severity="correctable""#;
    let expected = [
        r#"node_pci_aer_errors_total{address="0000:16:00.0",severity="fatal"} 0"#.to_owned(),
        format!("node_pci_aer_errors_total{{{port}}} 4"),
        format!(r#"node_pci_aer_errors_by_kind_total{{{port},kind="BadTLP"}} 3"#),
        format!(r#"node_pci_aer_errors_by_kind_total{{{port},kind="Bad DLLP"}} 1"#),
        format!("node_pci_root_port_error_messages_total{{{port}}} 7"),
    ];
    assert_eq!(lines[1..], expected, "no port that nothing shown hangs on");
    assert!(
        faults.len() == 1 && faults[0].ends_with("total_err_fatal: cannot be read: `many`"),
        "{faults:?}"
    );
}

#[test]
fn an_odd_file_costs_itself() {
    let files =
        [("current_link_speed", "warp 9"), ("current_link_width", "4"), ("aer_dev_fatal", "DLP many")];
    let (lines, faults) = Machine::new().device("0000:01:00.0", "0x010802", "0x144d", &files).read();
    assert_eq!(lines.last().unwrap(), r#"node_pci_link_lanes{address="0000:01:00.0"} 4"#);
    let ends: Vec<_> = faults.iter().map(|fault| fault.rsplit('/').next().unwrap()).collect();
    assert_eq!(
        ends,
        ["current_link_speed: cannot be read: `warp 9`", "aer_dev_fatal: cannot be read: `DLP many`"]
    );
}

#[test]
fn more_devices_than_are_shown_are_counted() {
    let machine = (0..MOST_DEVICES + 2).fold(Machine::new(), |machine, number| {
        let place = format!("0000:{:02x}:{:02x}.{}", number >> 8, number >> 3 & 0x1f, number & 7);
        machine.device(&place, "0x010802", "0x144d", &[])
    });
    let (lines, faults) = machine.read();
    assert_eq!(lines.len(), MOST_DEVICES);
    assert_eq!(faults, ["pcie: 2 devices beyond 1024 are not shown"]);
}

#[test]
fn a_machine_without_it_says_so() {
    let Collected { families, faults, .. } =
        collector(&ENTRY, "/nonexistent".as_ref(), "/nonexistent".as_ref(), &[]).collect();
    assert!(families.is_empty());
    assert_eq!(
        faults.iter().map(ToString::to_string).collect::<Vec<_>>(),
        ["pcie: there is no /sys/bus/pci/devices"]
    );
}
