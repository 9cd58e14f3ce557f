//! What is handed to stock programs: rules, dashboards, Prometheus', Alertmanager's and Grafana's settings, the compose file.
//!
//! Most tests judge the files with the programs' own checkers. `against_chain` asks a running chain, so that no rule and no panel
//! uses a metric that nobody exports.

#[cfg(test)]
mod against_chain;
#[cfg(test)]
mod alertmanager;
#[cfg(test)]
mod boards;
#[cfg(test)]
mod calendar;
#[cfg(test)]
mod compose;
#[cfg(test)]
mod dashboards;
#[cfg(test)]
mod delivered;
#[cfg(test)]
mod engine_pages;
#[cfg(test)]
mod engines;
#[cfg(test)]
mod examples;
#[cfg(test)]
mod files;
#[cfg(test)]
mod health_check;
#[cfg(test)]
mod images;
#[cfg(test)]
mod incidents;
#[cfg(test)]
mod known_names;
#[cfg(test)]
mod mutants;
#[cfg(test)]
mod preflight;
#[cfg(test)]
mod promql;
#[cfg(test)]
mod replay;
#[cfg(test)]
mod rules;
#[cfg(test)]
mod runbooks;
#[cfg(test)]
mod stage;
#[cfg(test)]
mod systemd;
