/* eval_header_private: what the files of eval_header.h share. */
#ifndef WEIR_SCAN_EVAL_HEADER_PRIVATE_H
#define WEIR_SCAN_EVAL_HEADER_PRIVATE_H

#include "scan/eval_header.h"

static inline struct span
fact_part(const struct header_facts *f, const char *name, enum field_form part)
{
    struct span none = {NULL, 0};
    bool is_present = false;
    struct span value = f->get(f->ctx, name, part, &is_present);

    return is_present ? value : none;
}

static inline struct span
fact_value(const struct header_facts *f, const char *name)
{
    return fact_part(f, name, HEADER_PART_VALUE);
}

static inline bool
fact_has(const struct header_facts *f, const char *name)
{
    bool is_present = false;

    (void)f->get(f->ctx, name, HEADER_PART_VALUE, &is_present);
    return is_present;
}

eval_header_fn eval_check_for_shifted_date;
eval_header_fn eval_check_outlook_message_id;

eval_header_fn eval_check_all_trusted;
eval_header_fn eval_check_no_relays;
eval_header_fn eval_check_relays_unparseable;
eval_header_fn eval_helo_ip_mismatch;
eval_header_fn eval_check_for_numeric_helo;
eval_header_fn eval_check_for_sender_no_reverse;
eval_header_fn eval_check_for_no_rdns_dotcom_helo;
eval_header_fn eval_check_for_forged_received_trail;
eval_header_fn eval_check_for_forged_received_ip_helo;
eval_header_fn eval_check_for_from_domain_in_received_headers;
eval_header_fn eval_check_mailfrom_matches_rcvd;

eval_header_fn eval_gated_through_received_hdr_remover;
eval_header_fn eval_check_for_msn_groups_headers;
eval_header_fn eval_check_for_forged_hotmail_received_headers;
eval_header_fn eval_check_for_no_hotmail_received_headers;
eval_header_fn eval_check_for_forged_yahoo_received_headers;
eval_header_fn eval_check_for_forged_gmail_received_headers;
eval_header_fn eval_check_for_forged_juno_received_headers;
eval_header_fn eval_check_for_forged_eudoramail_received_headers;
eval_header_fn eval_check_for_fake_aol_relay_in_rcvd;
eval_header_fn eval_check_messageid_not_usable;

eval_header_fn eval_sorted_recipients;
eval_header_fn eval_similar_recipients;
eval_header_fn eval_check_for_missing_to_header;
eval_header_fn eval_check_for_matching_env_and_hdr_from;
eval_header_fn eval_check_equal_from_domains;
eval_header_fn eval_check_ratware_envelope_from;
eval_header_fn eval_check_ratware_name_id;
eval_header_fn eval_check_unresolved_template;
eval_header_fn eval_check_header_count_range;

eval_header_fn eval_check_illegal_chars;
eval_header_fn eval_subject_is_all_caps;
eval_header_fn eval_check_for_to_in_subject;

#endif
