//! The end-to-end tests, in one program: every part is a real one, started here and gone with its test.

#[cfg(test)]
mod tidy;
