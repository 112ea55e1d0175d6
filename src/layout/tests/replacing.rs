//! Replaced CIDRs, case by case.
