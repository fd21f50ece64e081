#include "scan/address.h"

#include <gtest/gtest.h>

#include <string>

namespace {

std::string write(const std::string &v, enum address_what what)
{
    std::string out(v.size() + 1, '?');
    out.resize(address_write({(const uint8_t *)v.data(), v.size()}, what, (uint8_t *)out.data()));
    return out;
}

void expect(const std::string &v, const std::string &addr, const std::string &name)
{
    EXPECT_EQ(addr, write(v, ADDRESS_ADDR)) << v;
    EXPECT_EQ(name, write(v, ADDRESS_NAME)) << v;
}

TEST(Address, Forms)
{
    expect("a@b.c", "a@b.c", "");
    expect(" <a@b.c> ", "a@b.c", "");
    expect("Ann B <a@b.c>", "a@b.c", "Ann B");
    expect("\"B, Ann \\\"x\\\"\" <a@b.c>", "a@b.c", "B, Ann \"x\"");
    expect("a@b.c (Ann)", "a@b.c", "Ann");
    expect("Ann (x) B\r\n\t<a@b.c>", "a@b.c", "Ann B");
    expect("'Ann' <a@b.c>", "a@b.c", "Ann");
    expect("a@b.c <a@b.c>", "a@b.c", "");
    expect("", "", "");
}

TEST(Address, NameThatLooksLikeAnAddress)
{
    expect("\"boss@bank.example\" <evil@x.example>", "evil@x.example", "boss@bank.example");
    expect("boss@bank.example <evil@x.example>", "evil@x.example", "boss@bank.example");
    expect("\"<boss@bank.example>\" <evil@x.example>", "evil@x.example", "<boss@bank.example>");
}

TEST(Address, ListsAndGroups)
{
    expect("a@b.c, D <e@f.g>", "a@b.c\ne@f.g", "D");
    expect("group: a@b.c, D <e@f.g>;", "a@b.c\ne@f.g", "D");
    expect("undisclosed-recipients:;", "", "");
}

TEST(Address, NeverClosed)
{
    expect("Ann <a@b.c", "Ann<a@b.c", "");
    expect("\"Ann <a@b.c>", "a@b.c", "\"Ann");
    expect("<a@b.c", "a@b.c", "");
}

} // namespace
