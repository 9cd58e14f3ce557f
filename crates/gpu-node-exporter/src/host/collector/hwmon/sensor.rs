//! What the name of a file of a monitoring chip says: which sensor, which property of it, and which family the number becomes (the
//! kernel's `hwmon/sysfs-interface.rst`). Pure.

use std::borrow::Cow;

use crate::host::meaning::{Meaning, Scale};

/// One file: `temp1_crit_alarm` is the property `crit_alarm` of the temperature 1.
#[derive(Debug, PartialEq)]
pub(super) struct SensorFile<'name> {
    /// In [`KINDS`].
    pub(super) kind: &'static str,
    /// The sensor's name: its kind and its number, 0 when the file has none.
    pub(super) sensor: String,
    /// Empty for a file that is the sensor itself, like `pwm1`.
    pub(super) property: &'name str,
}

/// The kinds of sensors that are shown.
const KINDS: [&str; 14] = [
    "vrm",
    "beep_enable",
    "update_interval",
    "in",
    "cpu",
    "fan",
    "pwm",
    "temp",
    "curr",
    "power",
    "energy",
    "humidity",
    "intrusion",
    "freq",
];

/// Properties that are words of the firmware's.
pub(super) const WORDS: [&str; 4] = ["label", "model_number", "oem_info", "serial_number"];

/// The parts of a file's name; `None` when it is of no sensor.
pub(super) fn sensor_file(name: &str) -> Option<SensorFile<'_>> {
    let (kind, number, property) = parts(name)?;
    let kind = KINDS.into_iter().find(|known| *known == kind)?;
    let number: u32 = if number.is_empty() { 0 } else { number.parse().ok()? };
    Some(SensorFile { kind, sensor: format!("{kind}{number}"), property })
}

/// What stands before the first digit, the digits, and what stands after an underscore behind them. A name that has more
/// behind its digits has no number: its property begins after the last underscore before them.
fn parts(name: &str) -> Option<(&str, &str, &str)> {
    let start = name.find(|sign: char| sign.is_ascii_digit()).unwrap_or(name.len());
    let (kind, rest) = name.split_at(start);
    let end = rest.find(|sign: char| !sign.is_ascii_digit()).unwrap_or(rest.len());
    let (number, rest) = rest.split_at(end);
    let property =
        if rest.is_empty() { Some(rest) } else { rest.strip_prefix('_').filter(|rest| !rest.is_empty()) };
    match property {
        Some(property) if !kind.is_empty() => Some((kind, number, property)),
        Some(_) => None,
        None => {
            let (kind, _) = kind.rsplit_once('_').filter(|(kind, _)| !kind.is_empty())?;
            Some((kind, "", &name[kind.len() + 1..]))
        }
    }
}

/// As a part of a family's name or of a chip's: small letters, and an underscore for each sign that is no letter, digit or colon.
pub(super) fn plain(name: &str) -> String {
    let sign = |sign: char| match sign {
        'a'..='z' | '0'..='9' | ':' | '_' => sign,
        _ => '_',
    };
    let plain: String = name.to_lowercase().chars().map(sign).collect();
    plain.trim_matches('_').to_owned()
}

/// What the number in the file means; `None` for one that is not shown. `has_plain` is whether the sensor has a file without a property
/// too, which takes the name that `input` would have.
pub(super) fn meaning(kind: &str, property: &str, has_plain: bool) -> Option<Meaning> {
    let meaning = |suffix: &str, help: Cow<'static, str>, scale: Scale| {
        let element = match property {
            "input" if !has_plain => String::new(),
            "" => String::new(),
            property => format!("_{}", plain(property)),
        };
        Meaning::gauge(format!("node_hwmon_{kind}{element}{suffix}"), help).scaled(scale)
    };
    let of = |help: &str| Cow::Owned(format!("{help} ({property})"));
    let (thousandths, millionths, as_written) = (Scale::Parts(1e3), Scale::Parts(1e6), Scale::AsWritten);
    Some(match (kind, property) {
        ("beep_enable", "") => Meaning::gauge("node_hwmon_beep_enabled", "Hardware beep enabled"),
        ("vrm", "") => Meaning::gauge("node_hwmon_voltage_regulator_version", "Hardware voltage regulator"),
        ("update_interval", "") => {
            Meaning::gauge("node_hwmon_update_interval_seconds", "Hardware monitor update interval")
                .scaled(thousandths)
        }
        ("beep_enable" | "vrm" | "update_interval", _) => return None,
        (_, "fault" | "alarm") => {
            meaning("", format!("Hardware sensor {property} status ({kind})").into(), as_written)
        }
        (_, "beep") => meaning("_enabled", "Hardware monitor sensor has beeping enabled".into(), as_written),
        ("in" | "cpu", _) => meaning("_volts", of("Hardware monitor for voltage"), thousandths),
        ("temp", "") => meaning("_celsius", "Hardware monitor for temperature (input)".into(), thousandths),
        ("temp", _) if property != "type" => {
            meaning("_celsius", of("Hardware monitor for temperature"), thousandths)
        }
        ("curr", _) => meaning("_amps", of("Hardware monitor for current"), thousandths),
        ("energy", _) => {
            let energy = meaning("_joule_total", of("Hardware monitor for joules used so far"), millionths);
            Meaning::counter(energy.family, energy.help).scaled(energy.scale)
        }
        ("power", "accuracy") => {
            meaning("", "Hardware monitor power meter accuracy, as a ratio".into(), millionths)
        }
        ("power", "average_interval" | "average_interval_min" | "average_interval_max") => {
            meaning("_seconds", of("Hardware monitor power usage update interval"), thousandths)
        }
        ("power", _) => meaning("_watt", of("Hardware monitor for power usage in watts"), millionths),
        ("humidity", _) => meaning(
            "",
            of(
                "Hardware monitor for humidity, as a ratio (multiply with 100.0 to get the humidity as a percentage)",
            ),
            millionths,
        ),
        ("fan", "input" | "min" | "max" | "target") => {
            meaning("_rpm", of("Hardware monitor for fan revolutions per minute"), as_written)
        }
        ("freq", "input") => {
            meaning("_freq_mhz", "Hardware monitor for GPU frequency in MHz".into(), millionths)
        }
        _ => meaning("", format!("Hardware monitor {kind} element {property}").into(), as_written),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::family::Kind;

    #[test]
    fn names_have_a_kind_a_number_and_a_property() {
        let check =
            |name: &str, expected: Option<(&str, &str, &str)>| assert_eq!(parts(name), expected, "{name}");
        check("temp1_crit_alarm", Some(("temp", "1", "crit_alarm")));
        check("pwm1", Some(("pwm", "1", "")));
        check("pwm1_auto_point1_pwm", Some(("pwm", "1", "auto_point1_pwm")));
        check("beep_enable", Some(("beep_enable", "", "")));
        check("in_x1y", Some(("in", "", "x1y")));
        check("temp1_", None);
        check("temp1x", None);
        check("1_input", None);
        check("_x1y", None);
        check("", None);
    }

    #[test]
    fn only_sensors_have_properties() {
        let sensor = |name| sensor_file(name).map(|file| file.sensor);
        assert_eq!(sensor("temp01_input").as_deref(), Some("temp1"));
        assert_eq!(sensor("update_interval").as_deref(), Some("update_interval0"));
        for other in ["name", "uevent", "power", "bogus1_input", "temp99999999999_input", "tempé1"] {
            assert!(matches!(sensor(other).as_deref(), None | Some("power0")), "{other}");
        }
    }

    #[test]
    fn numbers_become_base_units() {
        let check = |kind, property, has_plain, family: &str, scale| {
            let meaning = meaning(kind, property, has_plain).unwrap();
            assert_eq!((meaning.family.as_ref(), meaning.scale), (family, scale));
        };
        let (thousandths, millionths) = (Scale::Parts(1e3), Scale::Parts(1e6));
        check("in", "input", false, "node_hwmon_in_volts", thousandths);
        check("cpu", "vid", false, "node_hwmon_cpu_vid_volts", thousandths);
        check("temp", "", false, "node_hwmon_temp_celsius", thousandths);
        check("temp", "input", true, "node_hwmon_temp_input_celsius", thousandths);
        check("temp", "type", false, "node_hwmon_temp_type", Scale::AsWritten);
        check("curr", "max", false, "node_hwmon_curr_max_amps", thousandths);
        check("power", "average", false, "node_hwmon_power_average_watt", millionths);
        check("power", "accuracy", false, "node_hwmon_power_accuracy", millionths);
        check(
            "power",
            "average_interval_max",
            false,
            "node_hwmon_power_average_interval_max_seconds",
            thousandths,
        );
        check("humidity", "input", false, "node_hwmon_humidity", millionths);
        check("fan", "div", false, "node_hwmon_fan_div", Scale::AsWritten);
        check("pwm", "", false, "node_hwmon_pwm", Scale::AsWritten);
        check("update_interval", "", false, "node_hwmon_update_interval_seconds", thousandths);
        check("temp", "Fancy-Name", false, "node_hwmon_temp_fancy_name_celsius", thousandths);
        assert_eq!(meaning("energy", "input", false).unwrap().kind, Kind::Counter);
        assert_eq!(meaning("energy", "input", false).unwrap().family, "node_hwmon_energy_joule_total");
        assert_eq!(meaning("vrm", "x", false), None);
    }
}
