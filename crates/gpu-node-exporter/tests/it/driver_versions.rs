//! A driver that was upgraded under a loaded kernel module: what the user is told, and that it is taken up afterwards.

use crate::exporter::{Exporter, check, sysfs};

/// A `/sys` with one GPU, where this version of the kernel module is loaded, if any.
fn machine(module: Option<&str>) -> (tempfile::TempDir, String) {
    let root = sysfs(&["0000:17:00.0"]);
    if let Some(version) = module {
        let directory = root.path().join("module/nvidia");
        std::fs::create_dir_all(&directory).expect("a folder");
        std::fs::write(directory.join("version"), format!("{version}\n")).expect("writable");
    }
    let flag = format!("--path.sysfs={}", root.path().display());
    (root, flag)
}

#[test]
fn a_module_that_is_not_loaded_is_told_from_one_that_is_of_another_version() {
    let mismatch =
        "description: test\ndriver: { init: lib_rm_version_mismatch }\ngpus: [{ model: h100-sxm }]\n";
    let not_loaded = include_str!("testdata/notloaded.yaml");
    for (scenario, module, words) in [
        (not_loaded, None, ["load the kernel module: `modprobe nvidia`", "upgrade", "reboot"]),
        (
            not_loaded,
            Some("550.54.15"),
            ["kernel module nvidia 550.54.15 is loaded", "/dev/nvidiactl", "reboot"],
        ),
        (
            mismatch,
            Some("550.54.15"),
            ["kernel module nvidia 550.54.15 is of another version", "upgrade", "reboot"],
        ),
    ] {
        let (_root, flag) = machine(module);
        let (code, told) = check(scenario, &[&flag]);
        assert_eq!(code, Some(1), "{told}");
        for words in words {
            assert!(told.contains(words), "nothing of `{words}`: {told}");
        }
        let exporter = Exporter::on_scenario(scenario, &[&flag]);
        for words in words {
            exporter.wait_for_log(words);
        }
    }
}
