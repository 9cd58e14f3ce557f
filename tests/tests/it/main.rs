//! The end-to-end tests, in one program: every part is a real one, started here and gone with its test.

#[cfg(test)]
mod browser;
#[cfg(test)]
mod exporter_fixture;
#[cfg(test)]
mod imports;
#[cfg(test)]
mod page;
#[cfg(test)]
mod relay_fixture;

#[cfg(test)]
mod beside_node_exporter;
#[cfg(test)]
mod beside_systemd;
#[cfg(test)]
mod chain;
#[cfg(test)]
mod console;
#[cfg(test)]
mod crashes;
#[cfg(test)]
mod documented_commands;
#[cfg(test)]
mod engine_machine;
#[cfg(test)]
mod engine_sim;
#[cfg(test)]
mod exporter_input;
#[cfg(test)]
mod exposition;
#[cfg(test)]
mod gpu_check;
#[cfg(test)]
mod gpu_faults;
#[cfg(test)]
mod inference_node;
#[cfg(test)]
mod mail;
#[cfg(test)]
mod many_devices;
#[cfg(test)]
mod module_order;
#[cfg(test)]
mod neighbour;
#[cfg(test)]
mod relay_durability;
#[cfg(test)]
mod relay_full_disk;
#[cfg(test)]
mod relay_input;
#[cfg(test)]
mod relay_memory;
#[cfg(test)]
mod robot_limits;
#[cfg(test)]
mod shared_store;
#[cfg(test)]
mod silence;
#[cfg(test)]
mod tidy;
#[cfg(test)]
mod up;
