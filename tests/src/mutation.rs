//! Whether the rules' tests hold the rules: small changes to a rule, each of which `promtool test rules` has to notice.
//!
//! A change that no test notices (a survivor) is a threshold, a guard or a waiting time that somebody can break unseen.
//! Owns making the changed rules, choosing the tests that are about a rule, and running them. Leaves out what is asked for:
//! all of them (`make mutants`) or a sample (`make test`).

pub mod expression;
pub mod mutant;
pub mod report;
pub mod rules;
pub mod test_files;
pub mod trial;
