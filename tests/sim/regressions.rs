//! Seeds that failed once, named by what was wrong, each in the generation of worlds in which it failed.

use crate::seeds::Generation::{Fifth, First, Fourth, Second, Seventh, Sixth, Third};
use crate::seeds::run_seed;

#[test]
fn a_hanging_write_that_the_next_round_repeats_counts_once() {
    run_seed(First, 1141, false);
    run_seed(First, 2063, false);
}

#[test]
fn a_failed_create_is_reported_while_a_rule_group_waits() {
    run_seed(First, 1349, false);
}

#[test]
fn a_second_scan_keeps_its_distance_from_a_delayed_first_one() {
    run_seed(First, 3204, false);
}

#[test]
fn additions_of_an_earlier_round_replace_nothing_yet() {
    run_seed(First, 3035, false);
    run_seed(First, 3343, false);
}

#[test]
fn additions_of_an_earlier_round_make_no_other_copy_redundant() {
    run_seed(First, 4464, false);
}

#[test]
fn an_edit_at_the_first_call_of_a_run_may_not_show_in_lagging_reads() {
    run_seed(First, 4466, true);
    run_seed(First, 7735, false);
}

#[test]
fn a_delayed_call_does_not_turn_back_the_clock_of_the_observer() {
    run_seed(First, 7595, false);
}

#[test]
fn a_hanging_write_that_another_run_repeats_has_no_known_author() {
    run_seed(First, 6673, false);
    run_seed(Fourth, 1_006_975, false);
}

#[test]
fn a_leftover_wired_by_one_run_and_stripped_by_another_is_restored_by_the_next() {
    run_seed(First, 2640, false);
    run_seed(First, 791, false);
    run_seed(First, 10170, false);
}

#[test]
fn a_foreign_set_is_dropped_once_its_addresses_are_in_force_without_it() {
    run_seed(Second, 20933, false);
}

#[test]
fn an_adopted_set_keeps_its_mark_while_its_removals_are_held() {
    run_seed(Second, 20484, false);
}

#[test]
fn a_table_that_was_empty_for_a_moment_is_a_reason_to_block() {
    run_seed(Second, 21975, false);
}

#[test]
fn a_scan_begins_with_its_first_segment() {
    run_seed(Second, 702_013, false);
    run_seed(Second, 815_566, false);
}

#[test]
fn a_lost_create_that_another_run_updates_has_no_known_author() {
    run_seed(Second, 815_952, false);
}

#[test]
fn an_edit_before_the_first_read_of_a_run_adds_writes() {
    for seed in [701_827, 704_852, 810_685, 812_662, 814_762, 815_430] {
        run_seed(Second, seed, false);
    }
}

#[test]
fn wiring_that_was_sent_counts_as_in_force_despite_an_old_list() {
    for seed in [800_093, 815_565, 805_726] {
        run_seed(Second, seed, false);
    }
}

#[test]
fn no_removal_relies_on_a_set_that_is_edited_meanwhile() {
    for seed in [803_621, 806_252, 806_843] {
        run_seed(Second, seed, false);
    }
}

#[test]
fn a_rule_group_with_the_references_is_no_proof_of_its_write() {
    for seed in [701_325, 704_785, 811_007, 812_045, 816_889] {
        run_seed(Second, seed, false);
    }
}

#[test]
fn held_manual_additions_may_be_covered_and_marked_ones_out_of_force() {
    for seed in [1003, 1045, 1402, 2779] {
        run_seed(Third, seed, false);
    }
}

#[test]
fn a_write_with_a_delayed_answer_leaves_the_token_unknown() {
    run_seed(Third, 52, false);
}

#[test]
fn wiring_that_was_sent_counts_as_in_force_for_any_answer() {
    for seed in [800_641, 801_187] {
        run_seed(Third, seed, false);
    }
}

#[test]
fn manual_additions_within_wanted_cidrs_are_not_held_by_rejections() {
    for seed in [800_971, 801_080, 801_225] {
        run_seed(Third, seed, false);
    }
}

#[test]
fn each_expired_item_is_a_new_change() {
    run_seed(Third, 802_838, false);
}

#[test]
fn a_full_set_that_relies_on_another_may_trust_an_old_list() {
    for seed in [804_514, 805_171] {
        run_seed(Third, seed, false);
    }
}

#[test]
fn a_set_not_wired_in_an_old_list_is_stripped_first() {
    for seed in [804_706, 1_000_785, 1_001_556, 1_004_866] {
        run_seed(Third, seed, false);
    }
    for seed in [1_008_419, 1_033_612] {
        run_seed(Fifth, seed, false);
    }
}

#[test]
fn a_set_that_was_just_wired_is_not_relied_on_yet() {
    run_seed(Third, 1_001_075, false);
}

#[test]
fn a_set_whose_removals_rely_on_others_is_wired_by_a_separate_write() {
    run_seed(Third, 1_002_001, false);
    run_seed(Third, 1_002_001, true);
}

#[test]
fn one_of_two_rule_groups_that_refer_to_a_set_is_enough() {
    run_seed(Fourth, 1_005_116, false);
    run_seed(Fourth, 1_005_116, true);
    run_seed(Fourth, 1_005_343, false);
}

#[test]
fn a_late_call_of_an_earlier_run_is_checked_with_the_settings_of_that_run() {
    run_seed(Fourth, 1_007_661, false);
}

#[test]
fn a_removal_relies_on_additions_of_another_run_only_a_minute_after_they_were_read() {
    run_seed(Fourth, 1_003_468, false);
}

#[test]
fn additions_above_the_limit_after_a_conflict_are_held() {
    for seed in [1_018_265, 1_027_290] {
        run_seed(Fifth, seed, false);
    }
}

#[test]
fn an_approval_of_additions_may_match_once_removals_are_made() {
    run_seed(Fifth, 1_018_550, false);
}

#[test]
fn a_write_delayed_until_after_a_list_does_not_count_as_later() {
    run_seed(Fifth, 1_023_173, false);
}

#[test]
fn a_held_run_that_could_not_look_says_how_many_effects_are_unknown() {
    run_seed(Fifth, 2_011_290, false);
}

#[test]
fn a_percentage_of_additions_does_not_count_sets_of_others() {
    run_seed(Sixth, 2_001_257, false);
    run_seed(Sixth, 2_001_317, false);
}

#[test]
fn a_percentage_of_additions_counts_what_the_first_read_finds() {
    run_seed(Sixth, 2_002_314, false);
}

#[test]
fn what_was_drift_at_the_start_of_a_run_stays_drift_for_the_observer() {
    for seed in [4_056_153, 4_056_968, 4_058_017] {
        run_seed(Sixth, seed, false);
    }
}

#[test]
fn what_is_in_a_set_that_has_to_be_stripped_first_goes_elsewhere_at_once() {
    run_seed(Sixth, 4_032_242, false);
}

#[test]
fn narrow_cidrs_replace_one_in_the_same_write_while_a_wide_one_around_them_waits() {
    run_seed(Sixth, 4_038_373, false);
}

#[test]
fn a_foreign_reference_stays_until_what_else_is_in_force_through_it_is_wired() {
    run_seed(Sixth, 5_010_890, false);
}

#[test]
fn additions_in_a_set_that_is_not_wired_yet_may_still_wait() {
    run_seed(Sixth, 7_000_409, false);
}

#[test]
fn what_the_run_added_itself_is_not_what_a_percentage_is_of() {
    run_seed(Sixth, 6_004_460, false);
}

#[test]
fn double_references_of_overlapping_runs_give_way_to_a_further_set() {
    run_seed(Sixth, 6_208_999, false);
}

#[test]
fn a_foreign_reference_is_dropped_only_while_lists_show_our_sets_as_they_were() {
    run_seed(Seventh, 9_013_292, false);
}

#[test]
fn an_edit_between_the_lists_and_a_write_that_relies_on_them_cannot_be_prevented() {
    run_seed(Seventh, 9_019_595, false);
}

#[test]
fn a_stopped_run_may_hold_additions_that_only_an_earlier_scan_wants() {
    run_seed(Seventh, 9_053_338, false);
    run_seed(Seventh, 9_053_338, true);
}

#[test]
fn each_web_acl_may_let_a_set_in_by_another_rule_group() {
    run_seed(Seventh, 8_005_432, false);
}

#[test]
fn a_full_set_keeps_what_only_a_set_that_a_web_acl_lacks_could_replace() {
    run_seed(Seventh, 8_001_237, false);
}

#[test]
fn a_foreign_set_that_a_person_gives_up_takes_with_it_what_a_web_acl_has_only_from_it() {
    run_seed(Seventh, 8_000_246, false);
}

#[test]
fn an_emptied_set_is_not_sealed_because_the_table_is_empty() {
    run_seed(Seventh, 15_029_759, false);
}

#[test]
fn a_write_that_was_sent_twice_without_an_answer_counts_once() {
    run_seed(Seventh, 9_100_654, false);
}

#[test]
fn what_expires_while_a_person_approves_may_need_further_approvals() {
    run_seed(Seventh, 18_048_276, false);
}
