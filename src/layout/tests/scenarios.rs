//! The rules of placement, case by case.
