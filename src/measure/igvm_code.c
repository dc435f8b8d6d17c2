/* SPDX-License-Identifier: Apache-2.0 */
#include "measure/igvm_code.h"

#include "measure/bytes.h"

#define PIECE_MIN (64u << 10) /* bytes; compressed code is of some MiB */

typedef struct Search {
        Bytes piece;
        uint64_t end; /* address behind it */
        FirmwareCode code;
        bool found, ambiguous;
} Search;

static bool same(const FirmwareCode *a, const FirmwareCode *b)
{
        return a->version == b->version && a->options_suffix == b->options_suffix &&
               a->options_prefix == b->options_prefix && a->raw_kernel == b->raw_kernel;
}

static int finish_piece(Search *search)
{
        FirmwareCode code;
        int r = search->piece.size < PIECE_MIN ? -ENOENT : firmware_read_code(search->piece, &code);

        search->piece = (Bytes){};
        if (r < 0)
                return r == -ENOMEM ? r : 0;
        search->ambiguous = search->ambiguous || (search->found && !same(&code, &search->code));
        search->code = code;
        search->found = true;
        return 0;
}

static int igvm_code_add_page(Search *search, const IgvmPage *page)
{
        Bytes *piece = &search->piece;
        int r = 0;

        if (!piece->data || page->gpa != search->end ||
            page->data.data != piece->data + piece->size) {
                r = finish_piece(search);
                piece->data = page->data.data;
        }
        piece->size += page->size;
        search->end = page->gpa + page->size;
        return r;
}

int igvm_read_code(const Igvm *igvm, uint32_t mask, FirmwareCode *ret)
{
        Search search = {};
        IgvmHeader header;
        size_t cursor = 0;
        int r = 0;

        while (r == 0 && igvm_next(igvm, &cursor, &header)) {
                IgvmPage page;

                if (header.type != IGVM_PAGE_DATA)
                        continue;
                page = igvm_page(igvm, &header);
                if (page.mask & mask && page.data.data && page.data_type == IGVM_DATA_NORMAL &&
                    !page.unmeasured)
                        r = igvm_code_add_page(&search, &page);
        }
        if (r == 0)
                r = finish_piece(&search);
        if (r < 0)
                return r;
        if (!search.found || search.ambiguous)
                return -ENOENT;
        *ret = search.code;
        return 0;
}
