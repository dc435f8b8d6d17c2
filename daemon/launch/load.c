/* SPDX-License-Identifier: Apache-2.0 */
#include "launch/load.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/fd.h"
#include "base/file.h"
#include "base/foreign.h"
#include "base/text.h"
#include "launch/measuring.h"
#include "measure/boot_check.h"

typedef struct LoadJob {
        Turn turn;
        const CvmSpec *spec; /* borrowed; immutable, so the worker may read it */
        WirePeer peer;       /* owned copy */
        bool mapped, without_certs;
        IdMap map;
        const Allotment *allotment;                    /* borrowed, as is the spec */
        const char *default_paths[_ARTIFACT_KIND_MAX]; /* borrowed from the template */
        SentFile artifact_fds[_ARTIFACT_KIND_MAX], *cert_fds, *share_fds, *disk_fds;
        size_t n_certs, n_shares, n_disks; /* `done` may take what is loaded with its numbers */
        const Config *config;              /* borrowed */
        QemuCache *qemus;                  /* borrowed */
        DriverHome *driver;                /* to probe; borrowed; NULL: it is not */
        LedgerBound artifact_bound, secret_bound;
        CallerBudget budget; /* the worker's */
        bool image_kept;     /* as are its files */
        Loaded loaded;
        LoadDone done;
        void *userdata;
} LoadJob;

void loaded_clear_secrets(Loaded *loaded)
{
        for (size_t i = 0; i < loaded->n_certs; i++) {
                if (loaded->certs[i].data)
                        explicit_bzero(loaded->certs[i].data, loaded->certs[i].size);
                free(loaded->certs[i].data);
                loaded->certs[i] = (LoadedCert){};
        }
}

void loaded_done(Loaded *loaded)
{
        loaded_clear_secrets(loaded);
        for (size_t i = 0; i < _ARTIFACT_KIND_MAX; i++) {
                artifact_unref(loaded->artifacts[i]);
                ledger_cancel(loaded->artifact_ledger, loaded->account, loaded->reserved[i]);
                if (loaded->held[i])
                        artifact_files_drop(loaded->files, loaded->held[i]);
                free(loaded->held[i]);
                cvm_error_done(&loaded->artifact_errors[i]);
        }
        ledger_cancel(loaded->secret_ledger, loaded->account, loaded->reserved_secrets);
        free(loaded->certs);
        foreign_close(loaded->uid, loaded->share_fds, loaded->n_shares);
        for (size_t i = 0; loaded->share_paths && i < loaded->n_shares; i++)
                free(loaded->share_paths[i]);
        load_image_done(&loaded->image);
        for (size_t i = 0; i < _ARTIFACT_KIND_MAX; i++)
                free(loaded->artifact_paths[i]);
        for (size_t i = 0; loaded->disk_paths && i < loaded->n_disks; i++)
                free(loaded->disk_paths[i]);
        free(loaded->share_paths);
        free(loaded->disk_paths);
        free(loaded->share_fds);
        for (size_t i = 0; i < loaded->n_disks; i++)
                foreign_close(loaded->uid, &loaded->disks[i].fd, 1);
        free(loaded->disks);
        cvm_error_done(&loaded->error);
        cvm_error_done(&loaded->measure_error);
        driver_probe_free(loaded->driver);
        measured_done(&loaded->measured);
        qemu_probe_unref(loaded->qemu);
        host_facts_free(loaded->host);
        *loaded = (Loaded){};
}

static void load_job_free(LoadJob *job)
{
        sent_files_close(job->peer.uid, job->artifact_fds, _ARTIFACT_KIND_MAX);
        sent_files_close(job->peer.uid, job->cert_fds, job->n_certs);
        sent_files_close(job->peer.uid, job->share_fds, job->n_shares);
        sent_files_close(job->peer.uid, job->disk_fds, job->n_disks);
        free(job->cert_fds);
        free(job->share_fds);
        free(job->disk_fds);
        loaded_done(&job->loaded);
        wire_peer_done(&job->peer);
        free(job);
}

static Caller caller_of(LoadJob *job)
{
        return (Caller){job->peer.uid, job->peer.gid, job->peer.groups, job->peer.n_groups,
                        &job->budget};
}

/* Opens what is named by path with the caller's rights, or checks what was sent. Returns an fd.
 * content: for a file, which may then be a copy (*ret_copied); NULL: for anything else. */
static int fetch(LoadJob *job, SentFile *sent, const char *path, CallerOpen what, bool writable,
                 const CallerContent *content, const char *field, bool *ret_copied, CvmError *error)
{
        const Caller caller = caller_of(job);
        int fd, r;

        if (sent->fd >= 0) {
                r = caller_check_fd(&caller, sent->fd, &sent->judged, what, writable, field, error);
                return r < 0 ? r : TAKE_FD(sent->fd);
        }
        if (content)
                r = caller_read(&caller, path, content, field, &fd, ret_copied, error);
        else
                r = caller_open(&caller, path, what, writable, field, &fd, error);
        return r < 0 ? r : fd;
}

/* What messages and listings call a file: its own name, or its kind where only a
 * descriptor came. */
static const char *display_name(const char *path, SpecArtifactKind kind)
{
        const char *slash = path ? strrchr(path, '/') : NULL;

        return slash ? slash + 1 : path ?: spec_artifact_kind_name(kind);
}

typedef struct Reservation {
        LoadJob *job;
        SpecArtifactKind kind;
} Reservation;

/* A sparse file counts as its size: the copy is whole. */
static int reserve_artifact(void *userdata, uint64_t size, CvmError *error)
{
        const Reservation *reservation = userdata;
        LoadJob *job = reservation->job;
        int r = load_image_check_size(&job->loaded.image, job->spec, reservation->kind, size,
                                      error);

        if (r < 0)
                return r;
        r = ledger_reserve(job->loaded.artifact_ledger, job->loaded.account, size,
                           &job->artifact_bound, error);

        if (r == 0)
                job->loaded.reserved[reservation->kind] = size;
        return r;
}

static void load_artifact(LoadJob *job, SpecArtifactKind kind)
{
        const SpecArtifact *spec = &job->spec->artifacts[kind];
        const char *listed = job->loaded.image.paths[kind];
        const char *path = spec->path ?: listed ?: job->default_paths[kind];
        CvmError *error = &job->loaded.artifact_errors[kind];
        Reservation reservation = {job, kind};
        const ArtifactReserve reserve = {reserve_artifact, &reservation};
        const CallerContent content = {kind == ARTIFACT_FIRMWARE ? ARTIFACT_FIRMWARE_SIZE_MAX
                                                                 : ARTIFACT_SIZE_MAX,
                                       reserve_artifact, &reservation, .no_links = listed};
        const uint8_t *sha256 = spec->has_sha256 && !listed ? spec->sha256 : NULL;
        _cleanup_close_ int fd = -1;
        bool copied = false;

        if (job->loaded.artifacts[kind]) {
                if (artifact_prepare(job->loaded.artifacts[kind], error) == 0 && spec->has_sha256)
                        artifact_check_pin(job->loaded.artifacts[kind], spec->sha256, error);
                return;
        }
        /* the plan's requirements report a default that does not exist */
        if (spec->fd < 0 && (!path || (!spec->path && !listed && access(path, F_OK) < 0)))
                return;
        fd = fetch(job, &job->artifact_fds[kind], path, CALLER_OPEN_FILE, false, &content,
                   listed ? "image" : spec_artifact_kind_name(kind), &copied, error);
        path = display_name(spec->fd < 0 ? path : spec->path, kind);
        if (copied) /* and reserved */
                artifact_adopt(kind, path, fd, sha256, &job->loaded.artifacts[kind], error);
        else if (fd >= 0)
                artifact_load_reserved(kind, path, fd, sha256, &reserve,
                                       &job->loaded.artifacts[kind], error);
        load_image_check(&job->loaded.image, job->spec, kind, &job->loaded.artifacts[kind], error);
}

/* For a hypervisor that opens files by path. */
static void hold_file(LoadJob *job, SpecArtifactKind kind)
{
        const Artifact *artifact = job->loaded.artifacts[kind];
        CvmError *error = &job->loaded.artifact_errors[kind];
        _cleanup_free_ char *name = NULL;

        if (!job->loaded.files || !artifact || cvm_error_is_set(error))
                return;
        name = text_hex(artifact->digest.sha256, SHA256_SIZE);
        if (!name)
                cvm_error_system(error, -ENOMEM, "write an artifact");
        else if (artifact_files_put(job->loaded.files, artifact, error) == 0)
                job->loaded.held[kind] = TAKE_PTR(name);
}

static int reserve_secret(LoadJob *job, int fd, const char *field)
{
        uint64_t bytes;
        struct stat st;
        int r;

        if (fstat(fd, &st) < 0)
                return cvm_error_system(&job->loaded.error, -errno, "examine %s", field);
        bytes = st.st_size < SPEC_CERT_BYTES_MAX ? ledger_pages((uint64_t)st.st_size)
                                                 : SPEC_CERT_BYTES_MAX;
        r = ledger_reserve(job->loaded.secret_ledger, job->loaded.account, bytes,
                           &job->secret_bound, &job->loaded.error);
        if (r == 0)
                job->loaded.reserved_secrets += bytes;
        return r;
}

/* What the spec holds itself: it is there while the job waits. */
static int reserve_inline(LoadJob *job, CvmError *error)
{
        const CvmSpec *spec = job->spec;
        uint64_t bytes = 0;
        int r;

        for (size_t i = 0; i < spec->n_env; i++)
                bytes += strlen(spec->env[i].name) + strlen(spec->env[i].value);
        bytes = ledger_pages(bytes);
        for (size_t i = 0; i < spec->n_certs; i++)
                if (!spec->certs[i].path && spec->certs[i].fd < 0)
                        bytes += ledger_pages(spec->certs[i].size);
        r = ledger_reserve(job->loaded.secret_ledger, job->loaded.account, bytes,
                           &job->secret_bound, error);
        if (r == 0)
                job->loaded.reserved_secrets = bytes;
        return r;
}

static int load_cert(LoadJob *job, size_t i)
{
        const SpecCert *spec = &job->spec->certs[i];
        const CallerContent content = {.max = SPEC_CERT_BYTES_MAX};
        _cleanup_free_ char *field = NULL;
        bool copied;
        _cleanup_close_ int fd = -1;
        int r;

        if (!spec->path && spec->fd < 0)
                return 0;
        field = text_format("certs.%s", spec->name);
        if (!field)
                return cvm_error_system(&job->loaded.error, -ENOMEM, "read a certificate");
        fd = fetch(job, &job->cert_fds[i], spec->path, CALLER_OPEN_FILE, false, &content, field,
                   &copied, &job->loaded.error);
        if (fd < 0)
                return fd;
        r = reserve_secret(job, fd, field);
        if (r < 0)
                return r;
        r = fd_read_all(fd, SPEC_CERT_BYTES_MAX, (char **)&job->loaded.certs[i].data,
                        &job->loaded.certs[i].size);
        if (r == -EFBIG)
                return cvm_error_invalid_spec(&job->loaded.error, field, "is longer than %u bytes",
                                              SPEC_CERT_BYTES_MAX);
        if (r < 0 && file_fault(r) != FILE_FAULT_FILE)
                return cvm_error_system(&job->loaded.error, r, "read %s", field);
        return r < 0 ? cvm_error_invalid_spec(&job->loaded.error, field, "cannot be read: %s",
                                              strerror(-r))
                     : 0;
}

/* What a client opened in its mount namespace cannot be mapped in the daemon's, which as a unit of
 * systemd has its own: there it is found by its path, with the caller's rights. */
static int open_here(LoadJob *job, size_t i, const char *field, int *fd)
{
        const char *path = job->loaded.share_paths[i];
        const Caller caller = caller_of(job);
        _cleanup_close_ int found = -1;
        struct stat sent, here;
        int r;

        if (!path || idmap_is_here(*fd))
                return 0;
        r = caller_open(&caller, path, CALLER_OPEN_DIRECTORY, !job->spec->shares[i].read_only,
                        field, &found, &job->loaded.error);
        if (r < 0)
                return r;
        if (fstat(*fd, &sent) < 0 || fstat(found, &here) < 0)
                return cvm_error_system(&job->loaded.error, -errno, "open a share");
        if (sent.st_dev == here.st_dev && sent.st_ino == here.st_ino) {
                close(*fd);
                *fd = TAKE_FD(found);
        }
        return 0;
}

static int load_share(LoadJob *job, size_t i)
{
        const SpecShare *spec = &job->spec->shares[i];
        _cleanup_free_ char *field = NULL;
        _cleanup_close_ int fd = -1;
        int r;

        field = text_format("shares[%zu].path", i);
        if (!field)
                return cvm_error_system(&job->loaded.error, -ENOMEM, "open a share");
        fd = fetch(job, &job->share_fds[i], spec->path, CALLER_OPEN_DIRECTORY, !spec->read_only,
                   NULL, field, NULL, &job->loaded.error);
        if (fd < 0)
                return fd;
        if (!job->mapped) {
                job->loaded.share_fds[i] = TAKE_FD(fd);
                return 0;
        }
        r = open_here(job, i, field, &fd);
        if (r < 0)
                return r;
        return idmap_open(fd, &job->map, spec->read_only, field, &job->loaded.share_fds[i],
                          &job->loaded.error);
}

static int load_disk(LoadJob *job, size_t i)
{
        const SpecDisk *spec = &job->spec->disks[i];
        const Caller caller = caller_of(job);
        DiskFile *file = &job->loaded.disks[i];
        char field[32];
        int r;

        snprintf(field, sizeof(field), "disks[%zu]", i);
        r = disk_open(&caller, spec, &job->disk_fds[i].fd, &job->disk_fds[i].judged, field, file,
                      &job->loaded.error);
        if (r < 0 || !file->identity.block ||
            config_allows_disk(job->config, (dev_t)file->identity.device))
                return r;
        foreign_close(job->peer.uid, &file->fd, 1);
        file->fd = -1;
        return cvm_error_invalid_spec(&job->loaded.error, field,
                                      "is a block device that cvmd.conf does not list under "
                                      "devices.disks");
}

static void check_boot(LoadJob *job)
{
        const BootCheck check = {job->loaded.artifacts, job->allotment->template, job->loaded.qemu,
                                 job->allotment->cpus};

        boot_check_run(&check, &job->loaded.igvm, job->loaded.artifact_errors);
}

/* Defaults that a service VM boots without. */
static bool is_idle(const LoadJob *job, SpecArtifactKind kind)
{
        return job->loaded.igvm.service &&
               (kind == ARTIFACT_KERNEL || kind == ARTIFACT_INITRAMFS) &&
               !spec_gives_artifact(job->spec, kind);
}

static void measure(LoadJob *job)
{
        Artifact *artifacts[_ARTIFACT_KIND_MAX];
        bool has_kernel = job->loaded.artifacts[ARTIFACT_KERNEL] && !is_idle(job, ARTIFACT_KERNEL);
        const Measuring measuring = {
                .allotment = job->allotment,
                .artifacts = artifacts,
                .cmdline = has_kernel || job->spec->cmdline ? job->allotment->cmdline : NULL,
                .image = job->loaded.image.reference,
                .qemu_version = job->loaded.qemu ? qemu_probe_version(job->loaded.qemu) : NULL,
        };

        for (size_t i = 0; i < _ARTIFACT_KIND_MAX; i++)
                if (cvm_error_is_set(&job->loaded.artifact_errors[i]))
                        return; /* that is what is wrong */
        for (SpecArtifactKind kind = 0; kind < _ARTIFACT_KIND_MAX; kind++)
                artifacts[kind] = is_idle(job, kind) ? NULL : job->loaded.artifacts[kind];
        measuring_run(&measuring, &job->loaded.measured, &job->loaded.measure_error);
}

static void load_name_one(LoadJob *job, SentFile *sent, char **ret)
{
        sent_file_ask(sent, job->peer.uid);
        *ret = sent_file_name(sent);
}

/* Here, as the file system may take its time. */
static void name_all(LoadJob *job)
{
        for (size_t i = 0; i < _ARTIFACT_KIND_MAX; i++)
                load_name_one(job, &job->artifact_fds[i], &job->loaded.artifact_paths[i]);
        for (size_t i = 0; i < job->spec->n_shares; i++)
                load_name_one(job, &job->share_fds[i], &job->loaded.share_paths[i]);
        for (size_t i = 0; i < job->spec->n_disks; i++)
                load_name_one(job, &job->disk_fds[i], &job->loaded.disk_paths[i]);
}

static void on_work(Turn *turn)
{
        LoadJob *job = container_of(turn, LoadJob, turn);
        const Caller caller = caller_of(job);
        int r = 0;

        /* first what belongs to the daemon: files may keep this until it has gone */
        (void)host_refresh("", job->allotment->host, &job->loaded.host);
        if (job->allotment->qemu)
                job->loaded.qemu = qemu_cache_get(job->qemus, job->allotment->qemu);
        if (job->driver && job->allotment->qemu)
                job->loaded.driver = job->driver->ops->probe(job->driver, job->allotment->qemu);
        name_all(job);
        if (job->spec->image.name && !job->image_kept)
                r = load_image_find(job->spec, job->config, job->allotment->memory, &caller,
                                    &job->loaded.image, &job->loaded.error);
        for (SpecArtifactKind kind = 0; r == 0 && kind < _ARTIFACT_KIND_MAX; kind++) {
                load_artifact(job, kind);
                hold_file(job, kind);
        }
        if (r == 0) {
                check_boot(job);
                measure(job);
        }
        for (size_t i = 0; r == 0 && !job->without_certs && i < job->spec->n_certs; i++)
                r = load_cert(job, i);
        for (size_t i = 0; r == 0 && i < job->spec->n_shares; i++)
                r = load_share(job, i);
        for (size_t i = 0; r == 0 && i < job->spec->n_disks; i++)
                r = load_disk(job, i);
}

static void on_work_done(Turn *turn)
{
        LoadJob *job = container_of(turn, LoadJob, turn);

        for (SpecArtifactKind kind = 0; kind < _ARTIFACT_KIND_MAX; kind++)
                if (is_idle(job, kind))
                        artifact_unref(TAKE_PTR(job->loaded.artifacts[kind]));
        job->done(&job->loaded, job->userdata);
        load_job_free(job);
}

static int take_fds(LoadJob *job, WireCall *call, CvmError *error)
{
        const CvmSpec *spec = job->spec;
        int r = 0;

        for (size_t i = 0; r == 0 && i < _ARTIFACT_KIND_MAX; i++)
                if (!job->loaded.artifacts[i]) /* else kept */
                        r = sent_file_take(call, spec->artifacts[i].fd, CALLER_OPEN_FILE,
                                           spec_artifact_kind_name(i), &job->artifact_fds[i],
                                           error);
        for (size_t i = 0; r == 0 && !job->without_certs && i < spec->n_certs; i++)
                r = sent_file_take(call, spec->certs[i].fd, CALLER_OPEN_FILE, "certs",
                                   &job->cert_fds[i], error);
        for (size_t i = 0; r == 0 && i < spec->n_shares; i++)
                r = sent_file_take(call, spec->shares[i].fd, CALLER_OPEN_DIRECTORY, "shares",
                                   &job->share_fds[i], error);
        for (size_t i = 0; r == 0 && i < spec->n_disks; i++)
                r = sent_file_take(call, spec->disks[i].fd, CALLER_OPEN_DISK, "disks",
                                   &job->disk_fds[i], error);
        return r;
}

/* Embedded and installed artifacts that the spec names, or that the template takes by default. */
static void find_own(LoadJob *job, const LoadSource *source)
{
        for (SpecArtifactKind kind = 0; kind < _ARTIFACT_KIND_MAX; kind++) {
                const SpecArtifact *spec = &job->spec->artifacts[kind];
                const char *name = spec->name
                                           ?: template_default_artifact(source->allotment->template,
                                                                        kind, job->spec->debug);
                CvmError *error = &job->loaded.artifact_errors[kind];

                if (source->artifacts && source->artifacts[kind]) {
                        job->loaded.artifacts[kind] = artifact_ref(source->artifacts[kind]);
                        continue;
                }
                if (spec->path || spec->fd >= 0 || spec_image_has(job->spec, kind))
                        continue;
                if (name)
                        artifact_store_find_own(source->store, kind, name,
                                                &job->loaded.artifacts[kind], error);
                if (!job->loaded.artifacts[kind] && !spec->name)
                        job->default_paths[kind] =
                                template_default_path(source->allotment->template, kind);
                if (!name && !job->default_paths[kind] && spec->has_sha256)
                        cvm_error_artifact(
                                error, spec_artifact_kind_name(kind),
                                "a digest is pinned, but the platform has no such artifact");
                /* a default that this build does not embed is not an error unless it is used */
                if (!job->loaded.artifacts[kind] && !spec->name &&
                    (!spec->has_sha256 || job->default_paths[kind]))
                        cvm_error_done(error);
        }
}

static int *new_fds(size_t n)
{
        int *fds = calloc(n + 1, sizeof(int));

        for (size_t i = 0; fds && i < n; i++)
                fds[i] = -1;
        return fds;
}

int load_begin(const LoadSource *source, const CvmSpec *spec, const WirePeer *owner, WireCall *call,
               LoadDone done, void *userdata, LoadJob **ret, CvmError *error)
{
        LoadJob *job = calloc(1, sizeof(*job));
        int r;

        if (!job)
                return cvm_error_system(error, -ENOMEM, "load artifacts");
        job->spec = spec;
        job->without_certs = source->without_certs;
        job->mapped = source->map != NULL;
        if (source->map)
                job->map = *source->map;
        job->budget.msec = CALLER_LOAD_MSEC;
        job->allotment = source->allotment;
        job->done = done;
        job->userdata = userdata;
        job->qemus = source->qemus;
        job->config = source->config;
        for (size_t i = 0; i < _ARTIFACT_KIND_MAX; i++)
                job->artifact_fds[i].fd = -1;
        job->loaded.certs = calloc(spec->n_certs + 1, sizeof(*job->loaded.certs));
        job->loaded.share_fds = new_fds(spec->n_shares);
        job->loaded.share_paths = calloc(spec->n_shares + 1, sizeof(char *));
        job->loaded.disk_paths = calloc(spec->n_disks + 1, sizeof(char *));
        job->cert_fds = sent_files_new(spec->n_certs);
        job->share_fds = sent_files_new(spec->n_shares);
        job->disk_fds = sent_files_new(spec->n_disks);
        job->loaded.disks = calloc(spec->n_disks + 1, sizeof(*job->loaded.disks));
        for (size_t i = 0; job->loaded.disks && i < spec->n_disks; i++)
                job->loaded.disks[i].fd = -1;
        if (!job->loaded.certs || !job->loaded.share_fds || !job->cert_fds || !job->share_fds ||
            !job->disk_fds || !job->loaded.disks || !job->loaded.share_paths ||
            !job->loaded.disk_paths) {
                load_job_free(job);
                return cvm_error_system(error, -ENOMEM, "load artifacts");
        }
        find_own(job, source);
        job->image_kept = source->image && job->loaded.artifacts[ARTIFACT_KERNEL] &&
                          job->loaded.artifacts[ARTIFACT_INITRAMFS];
        if (job->image_kept)
                job->loaded.image.reference = strdup(source->image);
        job->loaded.files = source->files;
        if (source->driver && source->driver->ops->probe &&
            (!source->driver->ops->probe_begin ||
             source->driver->ops->probe_begin(source->driver) == 0))
                job->driver = source->driver;
        job->loaded.uid = owner->uid;
        job->loaded.account = source->account;
        job->loaded.artifact_ledger = source->artifact_ledger;
        job->loaded.secret_ledger = source->secret_ledger;
        job->artifact_bound = source->artifact_bound;
        job->secret_bound = source->secret_bound;
        job->n_certs = job->loaded.n_certs = spec->n_certs;
        job->n_shares = job->loaded.n_shares = spec->n_shares;
        job->n_disks = job->loaded.n_disks = spec->n_disks;
        r = wire_peer_copy(owner, &job->peer);
        if (r < 0)
                cvm_error_system(error, r, "load artifacts");
        else
                r = take_fds(job, call, error);
        if (r == 0 && !job->without_certs)
                r = reserve_inline(job, error);
        if (r < 0) {
                load_job_free(job);
                return r;
        }
        turns_take(source->turns, &job->turn, source->account, on_work, on_work_done);
        *ret = job;
        return 0;
}

bool load_withdraw(LoadJob *job)
{
        if (!turns_withdraw(&job->turn))
                return false;
        load_job_free(job);
        return true;
}
