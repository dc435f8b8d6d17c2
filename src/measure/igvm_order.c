/* SPDX-License-Identifier: Apache-2.0 */
#include "measure/igvm_order.h"

#include "measure/bytes.h"
#include "measure/igvm_header.h"

/* Pages that are held back. */
typedef struct Run {
        size_t from;  /* cursor of its first page's header */
        size_t n;     /* pages; 0: nothing is held back */
        size_t index; /* of its last page, among the directives */
        IgvmPage last;
        uint32_t flags; /* of its pages, as they are in the file */
} Run;

typedef struct Walk {
        const Igvm *igvm;
        uint32_t mask;
        IgvmVisit visit;
        void *userdata;
        Run run;
} Walk;

static uint32_t page_flags(const IgvmHeader *header)
{
        return le32_get(header->body.data + 16);
}

static int send_run(Walk *walk)
{
        size_t cursor = walk->run.from, left = walk->run.n;
        IgvmHeader header;
        int r = 0;

        /* between its pages there are only headers that concern no platform */
        while (r == 0 && left > 0 && igvm_next(walk->igvm, &cursor, &header)) {
                if (header.type != IGVM_PAGE_DATA ||
                    !(igvm_page(walk->igvm, &header).mask & walk->mask))
                        continue;
                left--;
                r = walk->visit(walk->userdata, &header);
        }
        walk->run.n = 0;
        return r;
}

static bool continues(const Run *run, const IgvmPage *page, uint32_t flags, size_t index)
{
        return run->index + 1 == index && run->flags == flags &&
               run->last.data_type == page->data_type && run->last.mask == page->mask &&
               run->last.gpa + run->last.size == page->gpa &&
               !run->last.data.data == !page->data.data;
}

/* at: the header's cursor. */
static int igvm_order_add_page(Walk *walk, const IgvmHeader *header, size_t at, size_t index)
{
        IgvmPage page = igvm_page(walk->igvm, header);
        uint32_t flags = page_flags(header);
        Run *run = &walk->run;
        int r = 0;

        if (run->n && !continues(run, &page, flags, index))
                r = send_run(walk);
        if (!run->n)
                run->from = at;
        run->n++;
        run->index = index;
        run->last = page;
        run->flags = flags;
        return r;
}

static int visit_contexts(const Walk *walk)
{
        size_t cursor = 0;
        IgvmHeader header;
        int r = 0;

        while (r == 0 && igvm_next(walk->igvm, &cursor, &header))
                if (header.type == IGVM_VP_CONTEXT &&
                    igvm_vp_context(walk->igvm, &header).mask & walk->mask)
                        r = walk->visit(walk->userdata, &header);
        return r;
}

int igvm_visit_in_order(const Igvm *igvm, uint32_t mask, IgvmVisit visit, void *userdata)
{
        Walk walk = {.igvm = igvm, .mask = mask, .visit = visit, .userdata = userdata};
        size_t index = 0;
        IgvmHeader header;
        int r = 0;

        for (size_t cursor = 0, at = 0; r == 0 && igvm_next(igvm, &cursor, &header); at = cursor) {
                uint32_t own = 0;

                if (igvm_header_section(header.type) < 2 ||
                    (igvm_header_mask(&header, &own) && !own))
                        continue;
                index++;
                if (header.type == IGVM_PAGE_DATA && own & mask)
                        r = igvm_order_add_page(&walk, &header, at, index);
                else if (header.type == IGVM_PARAMETER_INSERT && own & mask)
                        r = visit(userdata, &header);
        }
        if (r == 0)
                r = send_run(&walk);
        return r == 0 ? visit_contexts(&walk) : r;
}
