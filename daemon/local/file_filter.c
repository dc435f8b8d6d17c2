/* SPDX-License-Identifier: Apache-2.0 */
#include "local/file_filter.h"

#include <fcntl.h>
#include <linux/sched.h>
#include <linux/seccomp.h>
#include <seccomp.h>
#include <sys/prctl.h>
#include <sys/stat.h>

#include "base/memfd.h"

/* Since Linux 6.6, with this number on every architecture; not in the headers of Debian 12. */
#ifndef __NR_fchmodat2
#define __NR_fchmodat2 452
#endif

#ifndef __O_TMPFILE /* O_TMPFILE without the O_DIRECTORY that it contains (open(2)) */
#define __O_TMPFILE (O_TMPFILE & ~O_DIRECTORY)
#endif

#define REFUSED SCMP_ACT_ERRNO(EPERM)
#define UNKNOWN SCMP_ACT_ERRNO(ENOSYS)

static const scmp_datum_t set_id[] = {S_ISUID, S_ISGID};

/* System calls with a mode, and which argument that is. */
static const struct {
        int number;
        unsigned mode;
} with_mode[] = {
        {SCMP_SYS(chmod), 1}, {SCMP_SYS(fchmod), 1}, {SCMP_SYS(fchmodat), 2}, {__NR_fchmodat2, 2},
        {SCMP_SYS(creat), 1}, {SCMP_SYS(mkdir), 1},  {SCMP_SYS(mkdirat), 2},
};

/* For calls whose mode counts only if a flag, the argument before it, requires one. */
static const struct {
        int number;
        unsigned mode;
} with_flags[] = {{SCMP_SYS(open), 2}, {SCMP_SYS(openat), 3}};

static const struct {
        int number;
        unsigned mode;
} with_type[] = {{SCMP_SYS(mknod), 1}, {SCMP_SYS(mknodat), 2}};

/* System calls that make a user namespace, by their flags, which come first on x86 and ARM. */
static const int with_namespace[] = {SCMP_SYS(unshare), SCMP_SYS(clone)};

static const int hidden[] = {SCMP_SYS(openat2), SCMP_SYS(clone3), SCMP_SYS(io_uring_setup),
                             SCMP_SYS(io_uring_enter), SCMP_SYS(io_uring_register)};

static struct scmp_arg_cmp has_bits(unsigned argument, scmp_datum_t mask, scmp_datum_t bits)
{
        return (struct scmp_arg_cmp){argument, SCMP_CMP_MASKED_EQ, mask, bits};
}

static int refuse_bits(scmp_filter_ctx context, int number, unsigned argument, scmp_datum_t mask,
                       scmp_datum_t bits)
{
        const struct scmp_arg_cmp bad = has_bits(argument, mask, bits);

        return seccomp_rule_add_array(context, REFUSED, number, 1, &bad);
}

static int refuse_when_created(scmp_filter_ctx context, int number, unsigned argument,
                               scmp_datum_t bit)
{
        static const scmp_datum_t creating[] = {O_CREAT, __O_TMPFILE};
        int r = 0;

        for (size_t i = 0; r == 0 && i < ARRAY_SIZE(creating); i++) {
                const struct scmp_arg_cmp bad[] = {has_bits(argument - 1, creating[i], creating[i]),
                                                   has_bits(argument, bit, bit)};

                r = seccomp_rule_add_array(context, REFUSED, number, ARRAY_SIZE(bad), bad);
        }
        return r;
}

static int refuse_set_id(scmp_filter_ctx context, scmp_datum_t bit)
{
        int r = 0;

        for (size_t i = 0; r == 0 && i < ARRAY_SIZE(with_mode); i++)
                r = refuse_bits(context, with_mode[i].number, with_mode[i].mode, bit, bit);
        for (size_t i = 0; r == 0 && i < ARRAY_SIZE(with_type); i++)
                r = refuse_bits(context, with_type[i].number, with_type[i].mode, bit, bit);
        for (size_t i = 0; r == 0 && i < ARRAY_SIZE(with_flags); i++)
                r = refuse_when_created(context, with_flags[i].number, with_flags[i].mode, bit);
        return r;
}

static int add_rules(scmp_filter_ctx context)
{
        int r = 0;

        for (size_t i = 0; r == 0 && i < ARRAY_SIZE(set_id); i++)
                r = refuse_set_id(context, set_id[i]);
        for (size_t i = 0; r == 0 && i < ARRAY_SIZE(with_type); i++) {
                r = refuse_bits(context, with_type[i].number, with_type[i].mode, S_IFMT, S_IFCHR);
                if (r == 0)
                        r = refuse_bits(context, with_type[i].number, with_type[i].mode, S_IFMT,
                                        S_IFBLK);
        }
        for (size_t i = 0; r == 0 && i < ARRAY_SIZE(with_namespace); i++)
                r = refuse_bits(context, with_namespace[i], 0, CLONE_NEWUSER, CLONE_NEWUSER);
        for (size_t i = 0; r == 0 && i < ARRAY_SIZE(hidden); i++)
                r = seccomp_rule_add(context, UNKNOWN, hidden[i], 0);
        return r;
}

/* The rules as the kernel takes them. */
static int compile(scmp_filter_ctx context, FileFilter *ret)
{
        _cleanup_close_ int fd = memfd_new("filter");
        _cleanup_free_ struct sock_filter *code = NULL;
        off_t size;
        int r;

        if (fd < 0)
                return fd;
        r = seccomp_export_bpf(context, fd);
        if (r < 0)
                return r;
        size = lseek(fd, 0, SEEK_END);
        if (size <= 0 || (size_t)size > BPF_MAXINSNS * sizeof(*code))
                return -E2BIG;
        code = malloc((size_t)size);
        if (!code)
                return -ENOMEM;
        if (pread(fd, code, (size_t)size, 0) != size)
                return -EIO;
        ret->program.len = (unsigned short)((size_t)size / sizeof(*code));
        ret->program.filter = TAKE_PTR(code);
        return 0;
}

int file_filter_init(FileFilter *filter)
{
        scmp_filter_ctx context = seccomp_init(SCMP_ACT_ALLOW);
        int r;

        if (!context)
                return -ENOMEM;
        r = seccomp_attr_set(context, SCMP_FLTATR_ACT_BADARCH, UNKNOWN);
        if (r == 0)
                r = add_rules(context);
        if (r == 0)
                r = compile(context, filter);
        seccomp_release(context);
        return r;
}

void file_filter_done(FileFilter *filter)
{
        free(filter->program.filter);
        *filter = (FileFilter){};
}

int file_filter_load(const FileFilter *filter)
{
        /* seccomp(2) without flags; valgrind knows only this one */
        return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter->program) < 0 ? -errno : 0;
}
