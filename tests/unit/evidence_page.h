// evidence_page: the data plane's page, written by a test.
#ifndef WEIR_TESTS_UNIT_EVIDENCE_PAGE_H
#define WEIR_TESTS_UNIT_EVIDENCE_PAGE_H

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <string>

#include "control/link.h"

struct Page {
    link_evidence *table = static_cast<link_evidence *>(calloc(1, sizeof(link_evidence)));
    Page() = default;
    Page(const Page &) = delete;
    Page &operator=(const Page &) = delete;
    ~Page() { free(table); }

    static uint64_t nk(uint32_t n, uint32_t k) { return static_cast<uint64_t>(n) << 32 | k; }

    static void count(uint64_t &at, bool is_bad) { at += (UINT64_C(1) << 32) + is_bad; }

    link_stratum &add(link_kind kind, const std::string &name)
    {
        uint32_t order = 1;
        for (uint32_t i = 0; i < table->strata_cnt; i++)
            order += table->strata[i].kind == kind;
        link_stratum &s = table->strata[table->strata_cnt++];
        s.kind = static_cast<uint16_t>(kind);
        s.order = order;
        strncpy(s.name, name.c_str(), sizeof(s.name) - 1);
        s.state = 2;
        return s;
    }

    link_stratum &get(link_kind kind, const std::string &name)
    {
        for (uint32_t i = 0; i < table->strata_cnt; i++) {
            if (table->strata[i].kind == kind && name == table->strata[i].name)
                return table->strata[i];
        }
        return add(kind, name);
    }

    // As at a new window.
    void reset()
    {
        uint64_t epoch = table->epoch + 2;
        memset(table, 0, sizeof(*table));
        table->epoch = epoch;
    }
};

#endif
