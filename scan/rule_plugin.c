/* rule_plugin: which plugins and features `plugin()` and `can()` find: those of SpamAssassin 4.0.1 as Debian sets it
 * up. Having a plugin's feature here means that its rules are read, not that each of them is honoured. */
#include <stdlib.h>
#include <string.h>

#include "scan/rule_list.h"

#define CONF "Mail::SpamAssassin::Conf"
#define PLUGIN "Mail::SpamAssassin::Plugin::"

/* Loaded by Debian's *.pre files, and what a rule file may take for loaded. */
static const char *const plugins[] = {
    "AskDNS",    "AutoLearnThreshold", "Bayes",    "BodyEval",   "Check",      "DKIM",
    "DMARC",     "DNSEval",            "FreeMail", "HTMLEval",   "HTTPSMismatch", "HashBL",
    "HeaderEval", "ImageInfo",         "MIMEEval", "MIMEHeader", "Pyzor",      "Razor2",
    "RelayEval", "ReplaceTags",        "SPF",      "SpamCop",    "URIDNSBL",   "URIDetail",
    "URIEval",   "VBounce",            "WLBLEval", "WelcomeListSubject", "RaciallyCharged",
};

/* What can() finds in Conf.pm. */
static const char *const conf_features[] = {
    "compat_welcomelist_blocklist",
    "feature_bayes_auto_learn_on_error",
    "feature_bayes_stopwords",
    "feature_blocklist_welcomelist",
    "feature_bug6558_free",
    "feature_capture_rules",
    "feature_compile_regexp",
    "feature_dns_block_rule",
    "feature_dns_local_ports_permit_avoid",
    "feature_dns_query_restriction",
    "feature_edns",
    "feature_geodb",
    "feature_get_host",
    "feature_header_address_parser",
    "feature_header_first_last",
    "feature_header_match_many",
    "feature_local_tests_only",
    "feature_meta_rules_matching",
    "feature_originating_ip_headers",
    "feature_registryboundaries",
    "feature_subjprefix",
    "feature_uri_host_listed",
    "feature_welcomelist_blocklist",
    "feature_yesno_takes_args",
    "has_tflags_nolog",
    "has_tflags_nosubject",
    "perl_min_version_5010000",
};

/* And in plugins, once loaded. */
static const char *const plugin_features[] = {
    "ASN::has_asn_geodb",
    "ASN::has_asn_lookup_ipv6",
    "ASN::has_check_asn",
    "ASN::has_check_asn_tag",
    "AskDNS::has_tag_header",
    "BodyEval::has_check_body_length",
    "BodyEval::has_plaintext_body_sig_ratio",
    "DKIM::has_arc",
    "DNSEval::has_tflags_domains_only",
    "DNSEval::has_tflags_ips_only",
    "DecodeShortURLs::has_autoclean",
    "DecodeShortURLs::has_clear",
    "DecodeShortURLs::has_get",
    "DecodeShortURLs::has_max_redirections",
    "DecodeShortURLs::has_short_url",
    "DecodeShortURLs::has_short_url_code",
    "DecodeShortURLs::has_short_url_redir",
    "DecodeShortURLs::has_timeout",
    "DecodeShortURLs::has_user_agent",
    "HashBL::has_hashbl_attachments",
    "HashBL::has_hashbl_bodyre",
    "HashBL::has_hashbl_bodyre_num",
    "HashBL::has_hashbl_email_domain",
    "HashBL::has_hashbl_email_domain_alias",
    "HashBL::has_hashbl_email_regex",
    "HashBL::has_hashbl_email_welcomelist",
    "HashBL::has_hashbl_email_whitelist",
    "HashBL::has_hashbl_emails",
    "HashBL::has_hashbl_ignore",
    "HashBL::has_hashbl_sha256",
    "HashBL::has_hashbl_tag",
    "HashBL::has_hashbl_uris",
    "MIMEEval::has_check_abundant_unicode_ratio",
    "MIMEEval::has_check_for_ascii_text_illegal",
    "MIMEEval::has_check_qp_ratio",
    "MIMEHeader::has_all_header",
    "MIMEHeader::has_capture_rules",
    "MIMEHeader::has_tflags_concat",
    "MIMEHeader::has_tflags_multiple",
    "MIMEHeader::has_tflags_range",
    "OLEVBMacro::has_olemacro_mhtml_uri",
    "OLEVBMacro::has_olemacro_redirect_uri",
    "OLEVBMacro::has_olertfobject",
    "Pyzor::has_fork",
    "Pyzor::has_perl",
    "Razor2::has_fork",
    "SPF::has_check_for_spf_errors",
    "SPF::has_check_spf_skipped_noenvfrom",
    "URIDNSBL::has_subtest_for_ranges",
    "URIDNSBL::has_tflags_domains_only",
    "URIDNSBL::has_tflags_notrim",
    "URIDNSBL::has_uridnsbl_a_ns",
    "URIDNSBL::has_uridnsbl_for_a",
    "URIDNSBL::has_uridnsbl_skip_mailto",
    "URIDetail::has_host_key",
};

static bool
is_in(const char *const *names, size_t cnt, const char *name)
{
    for (size_t i = 0; i < cnt; i++) {
        if (!strcmp(names[i], name))
            return true;
    }
    return false;
}

bool
rule_plugin_is_loaded(const struct rule_list *l, const char *name)
{
    if (!strcmp(name, PLUGIN "Dmarc"))
        return true;
    if (!strcmp(name, PLUGIN "WhiteListSubject"))
        return true;
    if (!strncmp(name, PLUGIN, strlen(PLUGIN)) &&
        is_in(plugins, sizeof(plugins) / sizeof(*plugins), name + strlen(PLUGIN)))
        return true;
    return is_in((const char *const *)l->plugins, l->plugins_cnt, name);
}

bool
rule_plugin_can(const struct rule_list *l, const char *name)
{
    if (!strncmp(name, CONF "::", strlen(CONF "::")))
        return is_in(conf_features, sizeof(conf_features) / sizeof(*conf_features), name + strlen(CONF "::"));
    if (strncmp(name, PLUGIN, strlen(PLUGIN)) ||
        !is_in(plugin_features, sizeof(plugin_features) / sizeof(*plugin_features), name + strlen(PLUGIN)))
        return false;
    char *module = rule_must(strdup(name));
    *(strrchr(module, ':') - 1) = 0;
    bool can = rule_plugin_is_loaded(l, module);
    free(module);
    return can;
}
