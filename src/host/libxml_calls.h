/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * libxml2's functions. The library is loaded when it is first asked for: it and all that it needs
 * take some 3 MB, which a daemon without CVMs of driver libvirt does not spend.
 */

#include <libxml/parser.h>
#include <libxml/tree.h>
#include <libxml/xpath.h>
#include <stdbool.h>

#define LIBXML_CALLS(X)                                                                            \
        X(xmlAddChild)                                                                             \
        X(xmlCtxtGetLastError)                                                                     \
        X(xmlCtxtReadMemory)                                                                       \
        X(xmlDocDumpFormatMemoryEnc)                                                               \
        X(xmlDocGetRootElement)                                                                    \
        X(xmlDocSetRootElement)                                                                    \
        X(xmlFreeDoc)                                                                              \
        X(xmlFreeParserCtxt)                                                                       \
        X(xmlGetLineNo)                                                                            \
        X(xmlGetNoNsProp)                                                                          \
        X(xmlGetNsProp)                                                                            \
        X(xmlHasNsProp)                                                                            \
        X(xmlIsBlankNode)                                                                          \
        X(xmlNewDoc)                                                                               \
        X(xmlNewDocNode)                                                                           \
        X(xmlNewDocText)                                                                           \
        X(xmlNewNs)                                                                                \
        X(xmlNewNsProp)                                                                            \
        X(xmlNewParserCtxt)                                                                        \
        X(xmlNodeGetContent)                                                                       \
        X(xmlNodeListGetString)                                                                    \
        X(xmlReadMemory)                                                                           \
        X(xmlSearchNsByHref)                                                                       \
        X(xmlSetNs)                                                                                \
        X(xmlStrEqual)                                                                             \
        X(xmlXPathEvalExpression)                                                                  \
        X(xmlXPathFreeContext)                                                                     \
        X(xmlXPathFreeObject)                                                                      \
        X(xmlXPathNewContext)

typedef struct LibxmlCalls {
#define X(name) __typeof__(name) *name;
        LIBXML_CALLS(X)
#undef X
        xmlFreeFunc free_text; /* xmlFree, which is a variable or a macro */
} LibxmlCalls;

/* Not to be used before libxml_calls_load() has returned true. */
extern const LibxmlCalls *const libxml;

/* Any thread; the same each time. false: it cannot be loaded, because of *ret_reason (static). */
bool libxml_calls_load(const char **ret_reason);
