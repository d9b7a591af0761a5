//! Values that are more than a word or a number, each with its text form.

pub mod cpu_choice;
pub mod delete_hours;
pub mod name_servers;
