//! NVML, the library of NVIDIA's driver.
//!
//! This module and its children are the only ones that name `nvml_wrapper`, and only the probe process calls them. The subjects
//! (`reading`) ask through [`Ask`], with the words of NVML that stand here. Leaves out what is asked, and when.

mod answer;
mod ask;
mod cached;
mod events;
mod fields;
mod library;
mod numbering;
pub(crate) mod raw;
mod support;
mod value;

pub(crate) use nvml_wrapper::error::NvmlError;
pub(crate) use nvml_wrapper::sys_exports::field_id;
pub(crate) use nvml_wrapper::{Device, enum_wrappers};

pub(crate) use self::ask::{Ask, Moment};
pub(crate) use self::cached::Cached;
pub(crate) use self::events::{Events, Reported};
pub(crate) use self::fields::{Field, Part};
pub(crate) use self::library::Library;
pub(crate) use self::numbering::{ClockEventTimes, driver_branch};
pub(crate) use self::support::Support;
pub(crate) use self::value::{Value, count, flag};
