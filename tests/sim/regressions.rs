//! Seeds that failed once, by what was wrong, each in the world that it meant then.

use crate::seeds::Generation::{Fifth, First, Fourth, Second, Third};
use crate::seeds::relive_in;

#[test]
fn a_write_that_hung_and_was_sent_anew_in_the_next_round_counts_once() {
    relive_in(First, 1141, false);
    relive_in(First, 2063, false);
}

#[test]
fn a_set_that_could_not_be_created_is_not_forgotten_while_a_rule_group_waits() {
    relive_in(First, 1349, false);
}

#[test]
fn a_second_scan_keeps_its_distance_from_a_first_one_that_was_held_up() {
    relive_in(First, 3204, false);
}

#[test]
fn what_a_run_added_in_an_earlier_round_replaces_nothing_yet() {
    relive_in(First, 3035, false);
    relive_in(First, 3343, false);
}

#[test]
fn what_a_run_added_in_an_earlier_round_makes_no_copy_elsewhere_worth_more() {
    relive_in(First, 4464, false);
}

#[test]
fn an_edit_at_the_first_call_of_a_run_whose_reads_lag_need_not_show_in_it() {
    relive_in(First, 4466, true);
    relive_in(First, 7735, false);
}

#[test]
fn a_call_that_is_held_up_does_not_turn_the_observers_clock_back() {
    relive_in(First, 7595, false);
}

#[test]
fn of_a_write_that_hangs_and_that_another_run_makes_nobody_can_say_whose_it_was() {
    relive_in(First, 6673, false);
    relive_in(Fourth, 1_006_975, false);
}

#[test]
fn a_leftover_that_one_run_wires_while_another_strips_it_is_back_after_the_next_run() {
    relive_in(First, 2640, false);
    relive_in(First, 791, false);
    relive_in(First, 10170, false);
}

#[test]
fn a_foreign_set_is_let_go_once_what_it_lets_in_is_in_force_without_it() {
    relive_in(Second, 20933, false);
}

#[test]
fn an_adopted_set_keeps_its_mark_while_something_in_it_is_unsettled() {
    relive_in(Second, 20484, false);
}

#[test]
fn a_table_that_was_empty_for_a_moment_is_reason_enough_to_be_blocked() {
    relive_in(Second, 21975, false);
}

#[test]
fn a_scan_has_begun_where_the_first_of_its_segments_has() {
    relive_in(Second, 702_013, false);
    relive_in(Second, 815_566, false);
}

#[test]
fn of_a_create_whose_answer_was_lost_and_that_another_run_updates_nobody_can_say_whose_it_was() {
    relive_in(Second, 815_952, false);
}

#[test]
fn a_hand_between_the_start_of_a_run_and_its_first_read_makes_more_work() {
    for seed in [701_827, 704_852, 810_685, 812_662, 814_762, 815_430] {
        relive_in(Second, seed, false);
    }
}

#[test]
fn what_a_run_has_sent_to_be_wired_is_in_force_whatever_an_old_list_of_rule_groups_says() {
    for seed in [800_093, 815_565, 805_726] {
        relive_in(Second, seed, false);
    }
}

#[test]
fn no_removal_relies_on_a_set_that_a_hand_changes_meanwhile() {
    for seed in [803_621, 806_252, 806_843] {
        relive_in(Second, seed, false);
    }
}

#[test]
fn a_rule_group_that_has_its_references_already_does_not_prove_that_it_was_written() {
    for seed in [701_325, 704_785, 811_007, 812_045, 816_889] {
        relive_in(Second, seed, false);
    }
}

#[test]
fn what_is_held_of_a_hands_doing_may_be_covered_and_what_is_marked_may_wait_out_of_force() {
    for seed in [1003, 1045, 1402, 2779] {
        relive_in(Third, seed, false);
    }
}

#[test]
fn a_write_whose_answer_is_held_up_tells_no_token_for_sure() {
    relive_in(Third, 52, false);
}

#[test]
fn what_was_sent_to_be_wired_counts_as_in_force_whatever_the_answer_says() {
    for seed in [800_641, 801_187] {
        relive_in(Third, seed, false);
    }
}

#[test]
fn what_a_hand_added_inside_of_what_is_wanted_is_not_held_by_rejections() {
    for seed in [800_971, 801_080, 801_225] {
        relive_in(Third, seed, false);
    }
}

#[test]
fn each_item_that_expires_is_something_new_to_bring_in_step() {
    relive_in(Third, 802_838, false);
}

#[test]
fn a_full_set_that_relies_on_another_trusts_a_list_that_may_be_old() {
    for seed in [804_514, 805_171] {
        relive_in(Third, seed, false);
    }
}

#[test]
fn what_an_old_list_of_rule_groups_shows_as_not_wired_is_stripped_first() {
    for seed in [804_706, 1_000_785, 1_001_556, 1_004_866] {
        relive_in(Third, seed, false);
    }
    relive_in(Fifth, 1_008_419, false);
}

#[test]
fn what_a_run_has_only_wired_is_nothing_to_rely_on_yet() {
    relive_in(Third, 1_001_075, false);
}

#[test]
fn a_set_whose_removals_rely_on_others_is_wired_by_a_write_of_its_own() {
    relive_in(Third, 1_002_001, false);
    relive_in(Third, 1_002_001, true);
}

#[test]
fn of_two_rule_groups_that_refer_to_a_set_one_is_enough() {
    relive_in(Fourth, 1_005_116, false);
    relive_in(Fourth, 1_005_116, true);
    relive_in(Fourth, 1_005_343, false);
}

#[test]
fn a_late_call_of_an_earlier_run_is_judged_by_the_settings_of_that_run() {
    relive_in(Fourth, 1_007_661, false);
}

#[test]
fn a_removal_relies_on_what_another_run_added_only_a_minute_after_it_was_read() {
    relive_in(Fourth, 1_003_468, false);
}

#[test]
fn additions_that_come_to_wait_after_a_conflict_are_held() {
    for seed in [1_018_265, 1_027_290] {
        relive_in(Fifth, seed, false);
    }
}

#[test]
fn an_approval_of_additions_can_come_to_fit_once_removals_are_done() {
    relive_in(Fifth, 1_018_550, false);
}

#[test]
fn a_write_that_is_held_up_until_after_a_list_does_not_count_as_sent_since() {
    relive_in(Fifth, 1_023_173, false);
}
