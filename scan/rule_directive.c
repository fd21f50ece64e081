/* rule_directive: what SpamAssassin understands at the head of a line and no reader of Weir's is for. A rule set
 * made for SpamAssassin is full of these; a word that nobody knows is a slip of the pen, and a rule lost to it would
 * be mail let through.
 *
 * SpamAssassin 4.0.1: Conf.pm and all of its plugins, with the older names of each. Names are whole, so that a slip
 * in a long one is found as well; a `*` at the end stands where the operator chooses the rest. */
#include <string.h>

#include "scan/rule_list.h"

/* Cannot change which rules hit in a scan that is local and has no Bayes. They are about
 *   - reports, headers that are added, templates and descriptions;
 *   - Bayes, automatic learning and reputation (auto_welcomelist, txrep);
 *   - the network: DNS, DCC, Pyzor, Razor, SPF, DKIM, DMARC, ASN, hash and URI blocklists, short URLs that are
 *     followed, feeds (their rules are off);
 *   - where SpamAssassin keeps its files, users and locks, and how it runs external programs;
 *   - order: `priority`. Weir runs every rule before any meta; nothing ends a scan early. */
static const char *const no_effect[] = {
    "add_header", "adsp_override", "allow_user_rules", "asn_lookup", "asn_lookup_ipv6",
    "asn_prefer_geodb", "asn_prefix", "asn_use_dns", "asn_use_geodb", "authres_ignored_authserv",
    "authres_networks", "authres_trusted_authserv", "auto_welcomelist_db_modules",
    "auto_welcomelist_distinguish_signed", "auto_welcomelist_factor", "auto_welcomelist_factory",
    "auto_welcomelist_file_mode", "auto_welcomelist_ipv4_mask_len",
    "auto_welcomelist_ipv6_mask_len", "auto_welcomelist_path", "auto_whitelist_db_modules",
    "auto_whitelist_distinguish_signed", "auto_whitelist_factor", "auto_whitelist_factory",
    "auto_whitelist_file_mode", "auto_whitelist_ipv4_mask_len", "auto_whitelist_ipv6_mask_len",
    "auto_whitelist_path", "bayes_auto_expire", "bayes_auto_learn", "bayes_auto_learn_on_error",
    "bayes_auto_learn_threshold_nonspam", "bayes_auto_learn_threshold_spam",
    "bayes_expiry_max_db_size", "bayes_file_mode", "bayes_ignore_from", "bayes_ignore_header",
    "bayes_ignore_to", "bayes_journal_max_size", "bayes_learn_during_report",
    "bayes_learn_to_journal", "bayes_max_token_length", "bayes_min_ham_num", "bayes_min_spam_num",
    "bayes_path", "bayes_seen_ttl", "bayes_sql_dsn", "bayes_sql_override_username",
    "bayes_sql_password", "bayes_sql_username", "bayes_sql_username_authorized", "bayes_stopword_*",
    "bayes_stopword_languages", "bayes_store_module", "bayes_token_sources", "bayes_token_ttl",
    "bayes_use_hapaxes", "clear_asn_lookups", "clear_dns_query_restriction",
    "clear_dns_query_restrictions", "clear_dns_servers", "clear_headers", "clear_report_template",
    "clear_unsafe_report_template", "country_db_path", "country_db_type", "dcc_body_max",
    "dcc_dccifd_path", "dcc_fuz1_max", "dcc_fuz2_max", "dcc_home", "dcc_learn_score", "dcc_options",
    "dcc_path", "dcc_rep_percent", "dcc_timeout", "dccifd_options", "dkim_minimum_key_bits",
    "dkim_timeout", "dmarc_save_reports", "dns_available", "dns_block_rule", "dns_block_time",
    "dns_local_ports_avoid", "dns_local_ports_none", "dns_local_ports_permit", "dns_options",
    "dns_query_restriction", "dns_server", "dns_test_interval", "do_not_use_mail_spf",
    "do_not_use_mail_spf_query", "enable_compat", "extracttext_maxparts", "extracttext_timeout",
    "fold_headers", "freemail_add_describe_email", "geodb_module", "geodb_options",
    "geodb_search_path", "hashbl_acl_*", "hashbl_email_domain_alias", "hashbl_email_regex",
    "hashbl_email_welcomelist", "hashbl_email_whitelist", "hashbl_ignore",
    "ignore_always_matching_regexps", "ignore_received_spf_header", "lock_method",
    "max_short_url_redirections", "max_short_urls", "mbox_format_from_regex",
    "olemacro_download_marker", "olemacro_extended_scan", "olemacro_max_file", "olemacro_num_mime",
    "olemacro_num_zip", "olemacro_prefer_contentdisposition", "olemacro_zip_depth", "olemacro_zips",
    "phishing_openphish_feed", "phishing_phishstats_feed", "phishing_phishstats_minscore",
    "phishing_phishtank_feed", "phishing_uri_noparam", "priority", "pyzor_count_min", "pyzor_fork",
    "pyzor_max", "pyzor_options", "pyzor_path", "pyzor_perl", "pyzor_server_file", "pyzor_timeout",
    "pyzor_welcomelist_factor", "pyzor_welcomelist_min", "pyzor_whitelist_factor",
    "pyzor_whitelist_min", "razor_config", "razor_fork", "razor_timeout", "rbl_timeout",
    "remove_header", "report", "report_charset", "report_contact", "report_hostname", "report_safe",
    "report_safe_copy_headers", "report_template", "report_wrap_width", "resource_limit_cpu",
    "resource_limit_mem", "rewrite_header", "run_reuse_tests_only", "shortcircuit_max_spam_score",
    "shortcircuit_min_ham_score", "skip_rbl_checks", "skip_uribl_checks", "spamcop_from_address",
    "spamcop_max_report_size", "spamcop_relayhost", "spamcop_to_address", "spf_timeout",
    "subjprefix", "test", "txrep_autolearn", "txrep_dilution_factor", "txrep_expiry_days",
    "txrep_factor", "txrep_factory", "txrep_ipv4_mask_len", "txrep_ipv6_mask_len",
    "txrep_learn_bonus", "txrep_learn_penalty", "txrep_report_details", "txrep_spf",
    "txrep_track_messages", "txrep_user2global_ratio", "txrep_weight_domain", "txrep_weight_email",
    "txrep_weight_email_ip", "txrep_weight_helo", "txrep_weight_ip", "txrep_welcomelist_out",
    "txrep_whitelist_out", "unsafe_report", "unsafe_report_template", "uri_country_db_isp_path",
    "uri_country_db_path", "uridnsbl", "uridnsbl_max_domains", "uridnsbl_skip_mailto",
    "uridnsbl_timeout", "uridnssub", "urifullnsrhsbl", "urifullnsrhssub", "urinsrhsbl",
    "urinsrhssub", "urirhsbl", "urirhssub", "url_shortener_cache_autoclean",
    "url_shortener_cache_dsn", "url_shortener_cache_password", "url_shortener_cache_ttl",
    "url_shortener_cache_type", "url_shortener_cache_username", "url_shortener_loginfo",
    "url_shortener_timeout", "url_shortener_user_agent", "use_auto_welcomelist",
    "use_auto_whitelist", "use_bayes", "use_bayes_rules", "use_dcc", "use_dcc_rep", "use_learner",
    "use_newest_received_spf_header", "use_pyzor", "use_razor2", "use_txrep", "user_awl_dsn",
    "user_awl_sql_override_username", "user_awl_sql_password", "user_awl_sql_table",
    "user_awl_sql_username", "user_scores_dsn", "user_scores_fallback_to_global",
    "user_scores_ldap_password", "user_scores_ldap_username", "user_scores_sql_custom_query",
    "user_scores_sql_password", "user_scores_sql_username", "version_tag",
};

/* Can change it: who is trusted, sizes, languages, and plugins that are not here. */
static const char *const ignored[] = {
    "always_trust_envelope_sender", "body_part_scan_size", "clear_internal_networks",
    "clear_msa_networks", "clear_originating_ip_headers", "clear_trusted_networks",
    "envelope_sender_header", "extracttext_external", "extracttext_use", "fns_add_addrlist",
    "fns_check", "fns_extrachars", "fns_ignore_dkim", "fns_ignore_headers", "fns_remove_addrlist",
    "freemail_import_def_welcomelist_auth", "freemail_import_def_whitelist_auth",
    "freemail_import_welcomelist_auth", "freemail_import_whitelist_auth",
    "freemail_max_body_emails", "freemail_max_body_freemails", "freemail_skip_bulk_envfrom",
    "freemail_skip_when_over_max", "inactive_languages", "internal_networks", "msa_networks",
    "normalize_charset", "ok_languages", "ok_locales", "olemacro_exts", "olemacro_macro_exts",
    "olemacro_skip_ctypes", "olemacro_skip_exts", "originating_ip_headers", "parse_dkim_uris",
    "rawbody_part_scan_size", "rbl_headers", "shortcircuit", "shortcircuit_ham_score",
    "shortcircuit_spam_score", "textcat_acceptable_score", "textcat_max_languages",
    "textcat_max_ngrams", "textcat_optimal_ngrams", "time_limit", "trigger_config", "trigger_ratio",
    "trigger_target", "trusted_networks", "uri_block_exclude", "uri_host_lists",
    "welcomelist_bounce_relays", "whitelist_bounce_relays",
};

/* Define a rule by the next word. */
static const char *const rules[] = {
    "askdns", "uri_block_cc", "uri_block_cidr", "uri_block_cont", "uri_block_isp",
};

static bool
is_in(const char *keyword, const char *const *names, size_t cnt)
{
    for (size_t i = 0; i < cnt; i++) {
        size_t len = strlen(names[i]) - 1;
        if (names[i][len] == '*' ? !strncmp(keyword, names[i], len) && keyword[len]
                                 : !strcmp(keyword, names[i]))
            return true;
    }
    return false;
}

enum rule_directive
rule_directive_find(const char *keyword)
{
    if (is_in(keyword, no_effect, sizeof(no_effect) / sizeof(*no_effect)))
        return RULE_DIRECTIVE_NO_EFFECT;
    if (is_in(keyword, ignored, sizeof(ignored) / sizeof(*ignored)))
        return RULE_DIRECTIVE_IGNORED;
    return is_in(keyword, rules, sizeof(rules) / sizeof(*rules)) ? RULE_DIRECTIVE_RULE : RULE_DIRECTIVE_UNKNOWN;
}
