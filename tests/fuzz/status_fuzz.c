/* The public page of any JSON document: well-formed XML, with no element or attribute that the page has not by itself, and
 * the same when the document is printed and read again. */
#include <cjson/cJSON.h>
#include <libxml/parser.h>
#include <libxml/tree.h>
#include <stdlib.h>
#include <string.h>

#include "control/status.h"
#include "must.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *const elements[] = {"html", "head",    "meta",   "title", "style",  "body", "h1",   "h2",
                                       "h3",   "p",       "ul",     "li",    "span",   "a",    "time", "article",
                                       "br",   "footer",  "strong"};
static const char *const attributes[] = {"lang", "charset", "name", "content", "http-equiv", "class", "id", "datetime", "href"};

static void
must_be_one_of(const xmlChar *name, const char *const *list, size_t cnt)
{
    size_t i = 0;
    while (i < cnt && strcmp((const char *)name, list[i]) != 0)
        i++;
    MUST(i < cnt);
}

static void
check(const xmlNode *node)
{
    for (; node; node = node->next) {
        if (node->type != XML_ELEMENT_NODE)
            continue;
        must_be_one_of(node->name, elements, sizeof(elements) / sizeof(*elements));
        for (const xmlAttr *a = node->properties; a; a = a->next)
            must_be_one_of(a->name, attributes, sizeof(attributes) / sizeof(*attributes));
        check(node->children);
    }
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    cJSON *document = cJSON_ParseWithLength((const char *)data, size);
    char *html = status_html(document);
    MUST(html);
    xmlDoc *page = xmlReadMemory(html, (int)strlen(html), "page", "UTF-8", XML_PARSE_NONET | XML_PARSE_NOERROR |
                                 XML_PARSE_NOWARNING | XML_PARSE_HUGE);
    MUST(page);
    check(xmlDocGetRootElement(page));
    xmlFreeDoc(page);
    char *text = cJSON_Print(document);
    cJSON *again = text ? cJSON_Parse(text) : NULL;
    char *html_again = status_html(again);
    MUST(!again || strcmp(html, html_again) == 0);
    free(html_again);
    cJSON_Delete(again);
    cJSON_free(text);
    free(html);
    cJSON_Delete(document);
    return 0;
}
