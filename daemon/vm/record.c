/* SPDX-License-Identifier: Apache-2.0 */
#include "vm/record.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/json.h"
#include "base/text.h"
#include "local/log.h"
#include "vm/home.h"

static void record_add_int(json_object *object, const char *key, int64_t value)
{
        json_object_object_add(object, key, json_object_new_int64(value));
}

static json_object *groups_to_json(const Vm *vm)
{
        json_object *array = json_object_new_array();

        for (size_t i = 0; i < vm->n_owner_groups; i++)
                json_object_array_add(array, json_object_new_int64(vm->owner_groups[i]));
        return array;
}

static json_object *artifact_bytes_to_json(const Vm *vm)
{
        json_object *object = json_object_new_object();

        for (SpecArtifactKind kind = 0; kind < _ARTIFACT_KIND_MAX; kind++)
                if (vm->boot.bytes[kind])
                        json_object_object_add(
                                object, spec_artifact_kind_name(kind),
                                json_object_new_int64((int64_t)vm->boot.bytes[kind]));
        return object;
}

/* What the record has in addition to the members that clients see. */
static json_object *record_own_members(const Vm *vm, const char *boot_id)
{
        json_object *record = json_object_new_object();

        record_add_int(record, "version", RECORD_VERSION);
        json_object_object_add(record, "bootId", json_object_new_string(boot_id));
        record_add_int(record, "ownerGroup", vm->owner_group);
        json_object_object_add(record, "ownerGroups", groups_to_json(vm));
        record_add_int(record, "promised", (int64_t)vm->promised);
        json_object_object_add(record, "artifactBytes", artifact_bytes_to_json(vm));
        record_add_int(record, "sharesBytes", (int64_t)vm->boot.secret_bytes);
        vm_cause_save(&vm->cause, record);
        if (vm->limits_in_doubt)
                json_object_object_add(record, "limitsInDoubt", json_object_new_boolean(true));
        if (vm->reserved.n_disks)
                json_object_object_add(
                        record, "disks",
                        disk_holds_to_json(vm->reserved.disks, vm->reserved.n_disks));
        json_object_object_add(record, "timeouts",
                               json_build("startSec", json_object_new_int64(vm->start_sec),
                                          "readySec", json_object_new_int64(vm->ready_sec),
                                          "powerdownSec", json_object_new_int64(vm->powerdown_sec),
                                          "quitSec", json_object_new_int64(vm->quit_sec), NULL));
        if (vm->restart.spec.policy != SPEC_RESTART_NO || vm->restart.total)
                json_object_object_add(record, "restart", vm_restart_to_json(&vm->restart));
        if (deadline_is_set(&vm->expires))
                json_object_object_add(record, "expires", deadline_to_json(&vm->expires));
        if (vm->stages.n > 0)
                json_object_object_add(record, "stages", vm_stages_to_json(&vm->stages));
        if (vm->guest.uptime_usec)
                record_add_int(record, "guestUptimeUsec", vm->guest.uptime_usec);
        if (vm->boot.measured.document)
                json_object_object_add(record, "measured",
                                       json_new_written(vm->boot.measured.document));
        if (vm->request)
                json_object_object_add(record, "request", json_object_get(vm->request));
        if (vm->spec)
                json_object_object_add(record, "spec", json_object_get(vm->spec));
        json_object_object_add(record, "specIsGiven", json_object_new_boolean(vm->spec_is_given));
        if (vm->paths)
                json_object_object_add(record, "paths", json_object_get(vm->paths));
        if (vm->launch_failed)
                json_object_object_add(record, "launchFailed", json_object_new_boolean(true));
        if (vm->kept)
                json_object_object_add(record, "kept", json_object_new_boolean(true));
        json_object_object_add(record, "hypervisor",
                               json_object_new_boolean(vm->process.driver != NULL));
        if (vm->process.driver) {
                if (vm->ops->pid(vm->process.driver) > 0)
                        record_add_int(record, "pid", vm->ops->pid(vm->process.driver));
                vm->ops->save(vm->process.driver, record); /* which may have another pid */
        }
        if (vm->process.companions)
                companions_save(vm->process.companions, record);
        return record;
}

char *record_text(const Vm *vm, const char *boot_id)
{
        _cleanup_json_ json_object *own = record_own_members(vm, boot_id);
        JsonWriter writer = {};

        json_write_begin(&writer, NULL, '{');
        vm_write_members(vm, &writer);
        json_object_object_foreach (own, key, value)
                json_write_tree(&writer, key, value);
        json_write_end(&writer, '}');
        return json_writer_take(&writer);
}

static char *record_name(const Vm *vm)
{
        return text_format("%s.json", vm->id);
}

static void record_failed(const Vm *vm, int r, const char *operation, const char *name)
{
        _cleanup_free_ char *path = file_path_at(vm->home->records_fd, name);

        log_emit(LOG_LEVEL_ERROR, vm->name, vm->id, "cannot %s %s: %s", operation, path ?: "",
                 strerror(-r));
}

int record_write(const Vm *vm)
{
        _cleanup_free_ char *name = record_name(vm), *text = record_text(vm, vm->home->boot_id);
        int r;

        if (!name || !text)
                r = -ENOMEM;
        else
                r = committer_write(vm->home->records, name, text, strlen(text));
        if (r < 0)
                record_failed(vm, r, "write its record", name);
        return r;
}

int record_wait(const Vm *vm, CommitWait *wait, CommitDone done)
{
        _cleanup_free_ char *name = record_name(vm);

        return name ? committer_wait(vm->home->records, name, wait, done) : -ENOMEM;
}

typedef struct RecordReply {
        CommitWait wait;
        WireCall *call;     /* a reference */
        json_object *reply; /* owned; NULL: {} */
} RecordReply;

static void record_reply_now(RecordReply *later)
{
        wire_call_reply(later->call, later->reply);
        wire_call_unref(later->call);
        free(later);
}

static void on_reply_recorded(CommitWait *wait, int r)
{
        RecordReply *later = container_of(wait, RecordReply, wait);

        wire_call_on_gone(later->call, NULL, NULL);
        record_reply_now(later);
}

/* Nothing of a client that has gone waits for the disk: it would be counted to no user. */
static void on_reply_gone(WireCall *call, void *userdata)
{
        RecordReply *later = userdata;

        commit_wait_cancel(&later->wait);
        record_reply_now(later);
}

void record_reply(const Vm *vm, WireCall *call, json_object *reply)
{
        RecordReply *later = calloc(1, sizeof(*later));

        wire_call_on_gone(call, NULL, NULL);
        if (later && record_wait(vm, &later->wait, on_reply_recorded) > 0) {
                later->call = wire_call_ref(call);
                later->reply = reply;
                wire_call_on_gone(call, on_reply_gone, later);
                return;
        }
        free(later);
        wire_call_reply(call, reply);
}

int record_write_error(const Vm *vm, int r, CvmError *error)
{
        _cleanup_free_ char *name = record_name(vm);

        return cvm_error_file(error, r, vm->home->records_fd, name, "write the CVM's record");
}

void record_remove(const Vm *vm)
{
        _cleanup_free_ char *name = record_name(vm);
        int r = name ? committer_remove(vm->home->records, name) : -ENOMEM;

        if (r < 0)
                record_failed(vm, r, "remove its record", name);
}

#define DAY 86400

typedef struct BadRecord {
        char *name;
        struct timespec since;
} BadRecord;

typedef struct BadRecords {
        BadRecord *list;
        size_t n;
} BadRecords;

static void bad_records_done(BadRecords *records)
{
        for (size_t i = 0; i < records->n; i++)
                free(records->list[i].name);
        free(records->list);
}

void record_set_aside(int records_fd, const char *file, const char *suffix, const char *reason)
{
        _cleanup_free_ char *aside = text_format("%s%s", file, suffix);

        log_error("record %s is set aside as %s%s: %s", file, file, suffix, reason);
        if (!aside || renameat(records_fd, file, records_fd, aside) < 0)
                log_error("cannot set record %s aside", file);
        else /* from now on it ages: not every file system lets a rename change ctime */
                utimensat(records_fd, aside, NULL, AT_SYMLINK_NOFOLLOW);
}

bool record_is_set_aside(int records_fd, const char *id, const char *suffix)
{
        _cleanup_free_ char *file = text_format("%s.json%s", id, suffix);

        return !file || faccessat(records_fd, file, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

static int add_bad(BadRecords *records, int records_fd, const char *name)
{
        BadRecord *grown;
        struct stat st;

        if (fstatat(records_fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
                return 0;
        grown = reallocarray(records->list, records->n + 1, sizeof(*grown));
        if (!grown)
                return -ENOMEM;
        records->list = grown;
        grown[records->n] = (BadRecord){strdup(name), st.st_ctim};
        if (!grown[records->n].name)
                return -ENOMEM;
        records->n++;
        return 0;
}

static int read_bad(int records_fd, BadRecords *ret)
{
        int fd = openat(records_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), r = 0;
        DIR *dir = fd < 0 ? NULL : fdopendir(fd);
        struct dirent *entry;

        if (!dir) {
                closep(&fd);
                return -ENOMEM;
        }
        while (r == 0 && (entry = readdir(dir)))
                if (text_has_suffix(entry->d_name, ".json" RECORD_BAD))
                        r = add_bad(ret, records_fd, entry->d_name);
        closedir(dir);
        return r;
}

static int compare_bad(const void *a, const void *b)
{
        const BadRecord *x = a, *y = b;

        /* the newest first */
        if (x->since.tv_sec != y->since.tv_sec)
                return x->since.tv_sec < y->since.tv_sec ? 1 : -1;
        return (x->since.tv_nsec < y->since.tv_nsec) - (x->since.tv_nsec > y->since.tv_nsec);
}

void record_trim_bad(int records_fd, time_t now)
{
        _cleanup_(bad_records_done) BadRecords records = {};
        size_t n_left = 0;

        if (read_bad(records_fd, &records) < 0)
                log_warning("cannot look for records that were set aside");
        if (records.n > 0)
                qsort(records.list, records.n, sizeof(*records.list), compare_bad);
        for (size_t i = 0; i < records.n; i++) {
                const BadRecord *record = &records.list[i];
                bool old = i >= RECORDS_BAD_MIN &&
                           now - record->since.tv_sec > (time_t)RECORDS_BAD_DAYS * DAY;

                if ((!old && i < RECORDS_BAD_MAX) || unlinkat(records_fd, record->name, 0) < 0)
                        n_left++;
                else
                        log_warning("%s, a record that was set aside, is removed: %s", record->name,
                                    old ? "it is older than 30 days" : "there are too many");
        }
        if (n_left > 0) {
                _cleanup_free_ char *path = file_path_at(records_fd, "*.json" RECORD_BAD);

                log_warning("records from which no CVM came are set aside as %s: %zu; look at them "
                            "and remove them (the newest %u are kept, for %d days, "
                            "and the newest %u of them for longer)",
                            path ?: "*.json" RECORD_BAD, n_left, RECORDS_BAD_MAX, RECORDS_BAD_DAYS,
                            RECORDS_BAD_MIN);
        }
}
