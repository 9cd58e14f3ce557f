//! The real program from outside; README.md says what belongs here.

mod access;
mod bursts;
mod dcgm;
mod driver_generations;
mod driver_versions;
mod engine_canaries;
mod engine_pages;
mod engine_stand_in;
mod exporter;
mod gpu_check;
mod gpu_faults;
mod gpu_hangs;
mod hanging_files;
mod impossible_numbers;
mod license;
mod mig;
mod nvlink;
mod open_files;
mod performance_counters;
mod processes;
mod profiles;
mod recorder;
mod start;
mod textfile;
mod three_answers;
mod time_zone;
