/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "template/template_internal.h"

#define FRAGMENTS "fragments"
#define TEMPLATES_MAX 256u
#define FRAGMENTS_MAX 1024u

struct TemplateSet {
        Template **templates; /* owned, sorted by name */
        size_t n;
        Fragment *fragments; /* owned */
        size_t n_fragments;
        Document **documents; /* of the fragments; owned */
        size_t n_documents;
        DomainFile **domains; /* owned; of two of one name the later is the override */
        size_t n_domains;
        bool domains_used; /* a file of the configured directory is one */
};

TemplateSet *template_set_new(void)
{
        return calloc(1, sizeof(TemplateSet));
}

TemplateSet *template_set_free(TemplateSet *set)
{
        if (!set)
                return NULL;
        for (size_t i = 0; i < set->n; i++)
                template_free(set->templates[i]);
        free(set->templates);
        free(set->fragments);
        for (size_t i = 0; i < set->n_documents; i++)
                document_free(set->documents[i]);
        free(set->documents);
        for (size_t i = 0; i < set->n_domains; i++)
                domain_file_free(set->domains[i]);
        free(set->domains);
        free(set);
        return NULL;
}

static size_t position(const TemplateSet *set, const char *name)
{
        size_t i = 0;

        while (i < set->n && strcmp(set->templates[i]->name, name) < 0)
                i++;
        return i;
}

/* Takes template; one of the same name is replaced. */
static int add_template(TemplateSet *set, Template *template)
{
        size_t i = position(set, template->name);
        Template **grown;

        if (i < set->n && strcmp(set->templates[i]->name, template->name) == 0) {
                template_free(set->templates[i]);
                set->templates[i] = template;
                return 0;
        }
        grown = set->n < TEMPLATES_MAX ? reallocarray(set->templates, set->n + 1, sizeof(*grown))
                                       : NULL;
        if (!grown) {
                template_free(template);
                return set->n < TEMPLATES_MAX ? -ENOMEM : -E2BIG;
        }
        memmove(grown + i + 1, grown + i, (set->n - i) * sizeof(*grown));
        grown[i] = template;
        set->templates = grown;
        set->n++;
        return 0;
}

static Fragment *find_fragment(const TemplateSet *set, const char *name)
{
        for (size_t i = 0; i < set->n_fragments; i++)
                if (strcmp(set->fragments[i].name, name) == 0)
                        return &set->fragments[i];
        return NULL;
}

/* One of the same name is replaced. */
static int add_fragment(TemplateSet *set, const Fragment *fragment)
{
        Fragment *place = find_fragment(set, fragment->name);

        if (!place) {
                Fragment *grown =
                        set->n_fragments < FRAGMENTS_MAX
                                ? reallocarray(set->fragments, set->n_fragments + 1, sizeof(*grown))
                                : NULL;

                if (!grown)
                        return set->n_fragments < FRAGMENTS_MAX ? -ENOMEM : -E2BIG;
                set->fragments = grown;
                place = &grown[set->n_fragments++];
        }
        *place = *fragment;
        return 0;
}

static int add_fragments(TemplateSet *set, const char *path, const char *text, size_t size,
                         CvmError *error)
{
        _cleanup_free_ char *label = document_label(path, FRAGMENTS);
        Document **grown = reallocarray(set->documents, set->n_documents + 1, sizeof(*grown));
        Document *document;
        int r;

        if (grown)
                set->documents = grown;
        if (!grown || !label)
                return cvm_error_system(error, -ENOMEM, "read fragments");
        r = document_new(FRAGMENTS, label, text, size, &document, error);
        if (r < 0)
                return r;
        set->documents[set->n_documents++] = document;
        if (!json_object_is_type(document->root, json_type_object))
                return document_refuse(document, FRAGMENTS, "", "must be an object", error);
        json_object_object_foreach (document->root, name, value) {
                if (!json_object_is_type(value, json_type_array))
                        return document_refuse(document, FRAGMENTS, name,
                                               "must be a list of arguments", error);
                r = add_fragment(set, &(Fragment){name, value, document});
                if (r < 0)
                        return cvm_error_system(error, r, "keep the fragments of %s", label);
        }
        return 0;
}

static int set_add_domain(TemplateSet *set, const char *file, const char *path, const char *text,
                          size_t size, CvmError *error)
{
        _cleanup_free_ char *name = strndup(file, strlen(file) - strlen(".xml"));
        DomainFile **grown =
                set->n_domains < TEMPLATES_MAX
                        ? reallocarray(set->domains, set->n_domains + 1, sizeof(*grown))
                        : NULL;
        int r;

        if (!name || !grown)
                return cvm_error_system(error, set->n_domains < TEMPLATES_MAX ? -ENOMEM : -E2BIG,
                                        "keep template %s", file);
        set->domains = grown;
        r = domain_file_new(name, path, text, size, &grown[set->n_domains], error);
        if (r == 0)
                set->n_domains++;
        set->domains_used = set->domains_used || path;
        return r;
}

int template_set_add_file(TemplateSet *set, const char *file, const char *path, const char *text,
                          size_t size, CvmError *error)
{
        _cleanup_free_ char *name = strndup(file, strlen(file) - strlen(".json"));
        Template *template = NULL;
        int r;

        if (!name)
                return cvm_error_system(error, -ENOMEM, "read template %s", file);
        if (text_has_suffix(file, ".xml"))
                return set_add_domain(set, file, path, text, size, error);
        if (strcmp(name, FRAGMENTS) == 0)
                return add_fragments(set, path, text, size, error);
        r = template_parse(name, path, text, size, &template, error);
        if (r < 0)
                return r;
        r = add_template(set, template);
        return r < 0 ? cvm_error_system(error, r, "keep template %s", name) : 0;
}

int template_set_add_builtin(TemplateSet *set, CvmError *error)
{
        int r = 0;

        for (const BuiltinTemplate *b = builtin_templates; r == 0 && b->file; b++)
                r = template_set_add_file(set, b->file, NULL, b->text, strlen(b->text), error);
        return r;
}

const Fragment *template_set_fragment(const TemplateSet *set, const char *name)
{
        return find_fragment(set, name);
}

const Template *template_set_find(const TemplateSet *set, const char *name)
{
        size_t i = position(set, name);

        return i < set->n && strcmp(set->templates[i]->name, name) == 0 ? set->templates[i] : NULL;
}

const DomainFile *template_set_domain(const TemplateSet *set, const char *name)
{
        for (size_t i = set->n_domains; i-- > 0;)
                if (strcmp(domain_file_name(set->domains[i]), name) == 0)
                        return set->domains[i];
        return NULL;
}

const void *template_set_domain_fragment(const TemplateSet *set, const char *name,
                                         const DomainFile **ret_file)
{
        for (size_t i = set->n_domains; i-- > 0;) {
                const void *found = NULL;

                if (strcmp(domain_file_name(set->domains[i]), FRAGMENTS) == 0)
                        found = domain_file_fragment(set->domains[i], name);
                if (found) {
                        *ret_file = set->domains[i];
                        return found;
                }
        }
        return NULL;
}

int template_set_load_domains(const TemplateSet *set, CvmError *error)
{
        int r = 0;

        for (size_t i = 0; r == 0 && i < set->n_domains; i++)
                r = domain_file_load(set->domains[i], error);
        return r;
}

bool template_set_domains_are_used(const TemplateSet *set)
{
        return set->domains_used;
}

int template_set_check_domains(const TemplateSet *set, CvmError *error)
{
        for (size_t i = 0; i < set->n_domains; i++) {
                const char *name = domain_file_name(set->domains[i]);

                if (strcmp(name, FRAGMENTS) != 0 && !template_set_find(set, name))
                        return cvm_error_template(
                                error, name, "%s:1: the template %s.json for it does not exist",
                                domain_file_label(set->domains[i]), name);
        }
        return 0;
}

bool template_set_has_domain(const TemplateSet *set, const Template *template)
{
        return template_set_domain(set, template->name) != NULL;
}

LibvirtNeeds template_set_domain_needs(const TemplateSet *set, const Template *template)
{
        const DomainFile *file = template_set_domain(set, template->name);
        _cleanup_(cvm_error_done) CvmError error = {};

        /* rendering reports what cannot be read */
        return file && template_set_load_domains(set, &error) == 0 ? domain_file_needs(file)
                                                                   : (LibvirtNeeds){};
}

size_t template_set_size(const TemplateSet *set)
{
        return set->n;
}

const Template *template_set_get(const TemplateSet *set, size_t index)
{
        return set->templates[index];
}
