/* SPDX-License-Identifier: Apache-2.0 */
#include "driver/libvirt/libvirt_link.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/text.h"
#include "driver/libvirt/libvirt_commands.h"
#include "driver/libvirt/libvirt_loop.h"
#include "driver/libvirt/libvirt_news.h"
#include "host/libvirt_probe.h"

#define RETRY_MSEC_MIN 250
#define RETRY_MSEC_MAX 10000
/* How long libvirt may take to say what it can do, and when it is asked again: it may have got what
 * it lacked. */
#define ANSWER_MSEC 120000
#define FRESH_USEC (60 * INT64_C(1000000))
/* A libvirt that does not answer for so long is taken for gone. */
#define KEEPALIVE_SEC 5
#define KEEPALIVE_COUNT 3

static const LibvirtCalls *libvirt; /* once a link has begun to connect */

struct LibvirtLink {
        uv_async_t async;
        LibvirtTell tell;
        void *userdata;
        uint64_t serial;
        char *uri;
        pthread_mutex_t lock; /* guards what follows */
        pthread_cond_t wake;
        unsigned n_ref; /* its user's, the loop's, the worker's, each command's, libvirt's
                           callbacks' */
        bool closed, wanted, broken, started;
        char *asked; /* the emulator whose facts are requested, or NULL */
        bool asking; /* facts are being asked for */
        LibvirtFacts facts;
        char *facts_of;     /* this emulator; NULL: there are none */
        int64_t facts_usec; /* when they were reported (clock_boot_usec) */
        uint64_t failures;
        char *failure;           /* the last one's reason */
        char *failure_of;        /* the emulator that it is of; NULL: the connection */
        pthread_cond_t answered; /* something of these has changed */
        LibvirtCommands commands;
        LibvirtNewsQueue news;
        /* the worker's alone */
        virConnectPtr connection;
        int lifecycle, monitor; /* callbacks */
        unsigned retry_msec;
};

static void link_unref(void *userdata)
{
        LibvirtLink *link = userdata;
        bool last;

        pthread_mutex_lock(&link->lock);
        last = --link->n_ref == 0;
        pthread_mutex_unlock(&link->lock);
        if (!last)
                return;
        libvirt_commands_clear(&link->commands);
        libvirt_news_free(libvirt_news_take(&link->news));
        pthread_mutex_destroy(&link->lock);
        pthread_cond_destroy(&link->wake);
        pthread_cond_destroy(&link->answered);
        free(link->asked);
        free(link->facts_of);
        free(link->failure);
        free(link->failure_of);
        free(link->uri);
        free(link);
}

static LibvirtLink *link_ref(LibvirtLink *link)
{
        pthread_mutex_lock(&link->lock);
        link->n_ref++;
        pthread_mutex_unlock(&link->lock);
        return link;
}

/* Any thread. */
static void post(LibvirtLink *link, const LibvirtNews *news)
{
        LibvirtNewsItem *item = libvirt_news_new(news);

        if (!item)
                return;
        pthread_mutex_lock(&link->lock);
        libvirt_news_add(&link->news, item);
        if (!link->closed)
                uv_async_send(&link->async);
        pthread_mutex_unlock(&link->lock);
}

/* What libvirt reports, in the thread of its event loop. */

static void tell_domain(LibvirtLink *link, virDomainPtr domain, LibvirtNewsKind kind,
                        const char *text)
{
        char id[VIR_UUID_STRING_BUFLEN];

        if (libvirt->virDomainGetUUIDString(domain, id) == 0)
                post(link, &(LibvirtNews){.kind = kind, .id = id, .text = text});
}

static int on_lifecycle(virConnectPtr connection, virDomainPtr domain, int event, int detail,
                        void *userdata)
{
        static const char *const stopped[] = {
                [VIR_DOMAIN_EVENT_STOPPED_SHUTDOWN] = "power-off",
                [VIR_DOMAIN_EVENT_STOPPED_DESTROYED] = "destroyed",
                [VIR_DOMAIN_EVENT_STOPPED_CRASHED] = "crashed",
                [VIR_DOMAIN_EVENT_STOPPED_FAILED] = "failed",
        };

        switch (event) {
        case VIR_DOMAIN_EVENT_SUSPENDED:
        case VIR_DOMAIN_EVENT_RESUMED:
                tell_domain(userdata, domain, LIBVIRT_CHANGED, NULL);
                break;
        case VIR_DOMAIN_EVENT_CRASHED:
                tell_domain(userdata, domain, LIBVIRT_SHUTTING, "guest-panic");
                break;
        case VIR_DOMAIN_EVENT_STOPPED:
                tell_domain(userdata, domain, LIBVIRT_ENDED,
                            detail >= 0 && (size_t)detail < ARRAY_SIZE(stopped) && stopped[detail]
                                    ? stopped[detail]
                                    : "failed");
                break;
        }
        return 0;
}

/* QEMU's own events say what libvirt's do not: whether it was a reset, what a panic says. */
static void on_monitor(virConnectPtr connection, virDomainPtr domain, const char *event,
                       long long seconds, unsigned micros, const char *details, void *userdata)
{
        _cleanup_json_ json_object *object = NULL;

        if (!details || json_parse(details, strlen(details), &object, NULL) < 0)
                return;
        if (strcmp(event, "SHUTDOWN") == 0)
                tell_domain(userdata, domain, LIBVIRT_SHUTTING,
                            json_member_string(object, "reason"));
        else
                tell_domain(userdata, domain, LIBVIRT_PANICKED, details);
}

static void on_closed(virConnectPtr connection, int reason, void *userdata)
{
        LibvirtLink *link = userdata;

        pthread_mutex_lock(&link->lock);
        link->broken = true;
        pthread_cond_signal(&link->wake);
        pthread_mutex_unlock(&link->lock);
}

/* The worker. */

static const char *last_error(void)
{
        const char *text = libvirt->virGetLastErrorMessage();

        return text && *text ? text : "libvirt gave no reason";
}

/* With the lock held. */
static void drop_facts(LibvirtLink *link)
{
        free(TAKE_PTR(link->facts_of));
}

static void disconnect(LibvirtLink *link, const char *reason)
{
        virConnectPtr connection = link->connection;

        link->connection = NULL;
        if (link->lifecycle >= 0)
                libvirt->virConnectDomainEventDeregisterAny(connection, link->lifecycle);
        if (link->monitor >= 0)
                libvirt->virConnectDomainQemuMonitorEventDeregister(connection, link->monitor);
        libvirt->virConnectUnregisterCloseCallback(connection, on_closed);
        libvirt->virConnectClose(connection);
        pthread_mutex_lock(&link->lock);
        drop_facts(link); /* another may come back */
        pthread_mutex_unlock(&link->lock);
        post(link, &(LibvirtNews){.kind = LIBVIRT_LOST, .text = reason});
}

/* emulator NULL: of the connection. */
static void keep_failure(LibvirtLink *link, const char *emulator, const char *reason)
{
        pthread_mutex_lock(&link->lock);
        link->failures++;
        drop_facts(link);
        free(link->failure);
        free(link->failure_of);
        link->failure = strdup(reason);
        link->failure_of = emulator ? strdup(emulator) : NULL;
        pthread_cond_broadcast(&link->answered);
        pthread_mutex_unlock(&link->lock);
}

/* The connection is there. libvirt starts a QEMU that it does not know to ask it, and then knows it
 * for the domain that is to come. Takes emulator. */
static void ask_facts(LibvirtLink *link, char *emulator)
{
        _cleanup_free_ char *failure = NULL;
        LibvirtFacts facts = {};
        char *xml;
        int r;

        pthread_mutex_lock(&link->lock);
        link->asking = true;
        pthread_cond_broadcast(&link->answered);
        pthread_mutex_unlock(&link->lock);
        libvirt->virResetLastError();
        xml = libvirt->virConnectGetDomainCapabilities(link->connection, emulator, "x86_64", "q35",
                                                       NULL, 0);
        failure = strdup(xml ? "its domain capabilities cannot be read" : last_error());
        (void)libvirt->virConnectGetLibVersion(link->connection, &facts.version);
        r = xml ? libvirt_probe_parse(xml, &facts) : -EIO;
        if (r < 0)
                keep_failure(link, emulator, failure ?: "out of memory");
        free(xml);
        pthread_mutex_lock(&link->lock);
        link->asking = false;
        if (r == 0) {
                drop_facts(link);
                link->facts = facts;
                link->facts_usec = clock_boot_usec();
                link->facts_of = TAKE_PTR(emulator);
        }
        pthread_cond_broadcast(&link->answered);
        pthread_mutex_unlock(&link->lock);
        free(emulator);
}

/* True where the connection is there. */
static bool connect_now(LibvirtLink *link, char **ret_reason)
{
        virConnectPtr connection;
        const char *failure;

        if (link->connection)
                return true;
        libvirt = libvirt_loop_start(&failure);
        if (!libvirt) {
                *ret_reason = strdup(failure);
                keep_failure(link, NULL, failure);
                return false;
        }
        libvirt->virResetLastError();
        connection = libvirt->virConnectOpen(link->uri);
        if (!connection) {
                *ret_reason = strdup(last_error());
                keep_failure(link, NULL, last_error());
                return false;
        }
        link->connection = connection;
        pthread_mutex_lock(&link->lock);
        link->broken = false;
        pthread_mutex_unlock(&link->lock);
        /* Drivers that live in this process (test:) have neither of the two, and take the first for
         * granted: no reference goes with it, the worker keeps the link until it disconnects. */
        (void)libvirt->virConnectRegisterCloseCallback(connection, on_closed, link, NULL);
        libvirt->virConnectSetKeepAlive(connection, KEEPALIVE_SEC, KEEPALIVE_COUNT);
        link->lifecycle = libvirt->virConnectDomainEventRegisterAny(
                connection, NULL, VIR_DOMAIN_EVENT_ID_LIFECYCLE,
                VIR_DOMAIN_EVENT_CALLBACK(on_lifecycle), link_ref(link), link_unref);
        if (link->lifecycle < 0)
                link_unref(link);
        link->monitor = libvirt->virConnectDomainQemuMonitorEventRegister(
                connection, NULL, "^(SHUTDOWN|GUEST_PANICKED)$", on_monitor, link_ref(link),
                link_unref, VIR_CONNECT_DOMAIN_QEMU_MONITOR_EVENT_REGISTER_REGEX);
        if (link->monitor < 0)
                link_unref(link);
        if (link->lifecycle < 0) {
                *ret_reason = strdup(last_error());
                keep_failure(link, NULL, last_error());
                disconnect(link, *ret_reason);
                return false;
        }
        link->retry_msec = 0;
        post(link, &(LibvirtNews){.kind = LIBVIRT_CONNECTED});
        return true;
}

static struct timespec in_msec(unsigned msec)
{
        struct timespec end;

        clock_gettime(CLOCK_MONOTONIC, &end);
        end.tv_sec += msec / 1000;
        end.tv_nsec += (long)(msec % 1000) * 1000000;
        if (end.tv_nsec >= 1000000000) {
                end.tv_sec++;
                end.tv_nsec -= 1000000000;
        }
        return end;
}

/* For something to do; connects again where that is wanted. */
static void wait_some(LibvirtLink *link)
{
        unsigned msec = link->retry_msec ?: RETRY_MSEC_MIN;
        const struct timespec end = in_msec(msec);
        _cleanup_free_ char *reason = NULL;

        if (link->connection || !link->wanted) {
                pthread_cond_wait(&link->wake, &link->lock);
                return;
        }
        if (pthread_cond_timedwait(&link->wake, &link->lock, &end) != ETIMEDOUT)
                return;
        link->retry_msec = msec * 2 > RETRY_MSEC_MAX ? RETRY_MSEC_MAX : msec * 2;
        pthread_mutex_unlock(&link->lock);
        (void)connect_now(link, &reason);
        pthread_mutex_lock(&link->lock);
}

/* A command on its way: what its thread has. */
typedef struct Errand {
        LibvirtLink *link; /* referenced, as the connection */
        virConnectPtr connection;
        LibvirtCommand *command;
} Errand;

static void command_done(LibvirtLink *link, LibvirtCommand *command, int r, int detail,
                         const char *text)
{
        post(link, &(LibvirtNews){.id = command->id,
                                  .verb = command->verb,
                                  .serial = command->serial,
                                  .r = r,
                                  .detail = detail,
                                  .text = text});
        pthread_mutex_lock(&link->lock);
        libvirt_commands_done(&link->commands, command);
        pthread_cond_signal(&link->wake);
        pthread_mutex_unlock(&link->lock);
}

static void *run_errand(void *userdata)
{
        Errand *errand = userdata;
        _cleanup_free_ char *text = NULL;
        int detail = 0, r;

        r = libvirt_command_execute(errand->command, libvirt, errand->connection, &detail, &text);
        command_done(errand->link, errand->command, r, detail, text);
        libvirt->virConnectClose(errand->connection);
        link_unref(errand->link);
        free(errand);
        return NULL;
}

static void send_off(LibvirtLink *link, LibvirtCommand *command)
{
        _cleanup_free_ char *reason = NULL;
        Errand *errand = NULL;

        if (connect_now(link, &reason)) {
                errand = calloc(1, sizeof(*errand));
                if (errand && libvirt->virConnectRef(link->connection) == 0) {
                        *errand = (Errand){link_ref(link), link->connection, command};
                        if (libvirt_loop_thread(run_errand, errand) == 0)
                                return;
                        libvirt->virConnectClose(link->connection);
                        link_unref(link);
                }
                reason = strdup("no thread could be started for it");
        }
        free(errand);
        command_done(link, command, -ENOTCONN, 0, reason);
}

/* Does one thing, with the lock released. Returns false if there is none. */
static bool work_once(LibvirtLink *link)
{
        bool broken = link->broken && link->connection;
        LibvirtCommand *command = broken ? NULL : libvirt_commands_take(&link->commands);
        char *asked = broken || command ? NULL : TAKE_PTR(link->asked);
        _cleanup_free_ char *reason = NULL;

        if (!broken && !command && !asked)
                return false;
        pthread_mutex_unlock(&link->lock);
        if (broken) {
                disconnect(link, "libvirt has closed the connection");
        } else if (command) {
                send_off(link, command);
        } else if (connect_now(link, &reason)) {
                ask_facts(link, asked);
        } else {
                free(asked);
        }
        pthread_mutex_lock(&link->lock);
        return true;
}

static void *link_work(void *userdata)
{
        LibvirtLink *link = userdata;

        pthread_mutex_lock(&link->lock);
        while (!link->closed)
                if (!work_once(link))
                        wait_some(link);
        pthread_mutex_unlock(&link->lock);
        /* The connection ends with the process, which does not wait for this thread. If it ended
         * amid the calls that close a connection, libvirtd 9.0 would free the callbacks twice and
         * crash. */
        link_unref(link);
        return NULL;
}

/* The daemon's side. */

static void on_async(uv_async_t *async)
{
        LibvirtLink *link = container_of(async, LibvirtLink, async);
        LibvirtNewsItem *items;

        pthread_mutex_lock(&link->lock);
        items = libvirt_news_take(&link->news);
        pthread_mutex_unlock(&link->lock);
        /* closed is written by this thread alone */
        for (const LibvirtNewsItem *item = items; item && !link->closed; item = item->next)
                link->tell(&item->news, link->userdata);
        libvirt_news_free(items);
}

int libvirt_link_new(uv_loop_t *loop, const char *uri, LibvirtTell tell, void *userdata,
                     LibvirtLink **ret)
{
        LibvirtLink *link = calloc(1, sizeof(*link));
        pthread_condattr_t monotonic;
        int r;

        if (!link)
                return -ENOMEM;
        *link = (LibvirtLink){.tell = tell,
                              .userdata = userdata,
                              .uri = strdup(uri),
                              .n_ref = 1,
                              .lifecycle = -1,
                              .monitor = -1};
        pthread_mutex_init(&link->lock, NULL);
        pthread_condattr_init(&monotonic);
        pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
        pthread_cond_init(&link->wake, &monotonic);
        pthread_cond_init(&link->answered, &monotonic);
        pthread_condattr_destroy(&monotonic);
        r = link->uri ? uv_async_init(loop, &link->async, on_async) : -ENOMEM;
        if (r < 0) {
                link_unref(link);
                return r;
        }
        uv_unref((uv_handle_t *)&link->async);
        link->n_ref++;
        *ret = link;
        return 0;
}

static void on_async_closed(uv_handle_t *handle)
{
        link_unref(container_of((uv_async_t *)handle, LibvirtLink, async));
}

void libvirt_link_close(LibvirtLink *link)
{
        if (!link)
                return;
        pthread_mutex_lock(&link->lock);
        link->closed = true;
        pthread_cond_signal(&link->wake);
        pthread_cond_broadcast(&link->answered);
        pthread_mutex_unlock(&link->lock);
        uv_close((uv_handle_t *)&link->async, on_async_closed);
}

void libvirt_link_free(LibvirtLink *link)
{
        if (link)
                link_unref(link);
}

int libvirt_link_begin(LibvirtLink *link)
{
        int r;

        if (link->started)
                return 0;
        r = libvirt_loop_thread(link_work, link_ref(link));
        if (r < 0)
                link_unref(link);
        else
                link->started = true;
        return r;
}

/* With the lock held: whether there are facts of this emulator, not older than asked for. */
static bool has_facts(const LibvirtLink *link, const char *emulator, int64_t since_usec)
{
        return link->facts_of && strcmp(link->facts_of, emulator) == 0 &&
               link->facts_usec >= since_usec;
}

/* Since there were `failures` of them. */
static bool has_failed(const LibvirtLink *link, const char *emulator, uint64_t failures)
{
        return link->failures != failures &&
               (!link->failure_of || strcmp(link->failure_of, emulator) == 0);
}

int libvirt_link_facts(LibvirtLink *link, const char *emulator, unsigned msec, LibvirtFacts *ret,
                       char **ret_reason)
{
        const struct timespec answered = in_msec(ANSWER_MSEC);
        struct timespec connected = in_msec(msec);
        const int64_t fresh = clock_boot_usec() - FRESH_USEC;
        uint64_t failures;
        int r = 0;

        link_ref(link);
        pthread_mutex_lock(&link->lock);
        failures = link->failures;
        while (r == 0 && !has_facts(link, emulator, fresh) && !link->closed &&
               !has_failed(link, emulator, failures)) {
                bool asking = link->asking;

                /* one at a time: requests for another emulator come after it */
                if (!link->asked && !link->asking) {
                        link->asked = strdup(emulator);
                        pthread_cond_signal(&link->wake);
                }
                r = pthread_cond_timedwait(&link->answered, &link->lock,
                                           asking ? &answered : &connected);
                if (asking) /* there is a connection: the time of what comes next begins now */
                        connected = in_msec(msec);
        }
        /* one that has no time now is as it was */
        r = has_facts(link, emulator, 0) ? 0 : -ENOTCONN;
        if (r == 0)
                *ret = link->facts;
        else
                *ret_reason = strdup(has_failed(link, emulator, failures) && link->failure
                                             ? link->failure
                                             : "it does not respond");
        pthread_mutex_unlock(&link->lock);
        link_unref(link);
        return r;
}

void libvirt_link_want(LibvirtLink *link, bool wanted)
{
        if (wanted && libvirt_link_begin(link) < 0)
                return;
        pthread_mutex_lock(&link->lock);
        link->wanted = wanted;
        pthread_cond_signal(&link->wake);
        pthread_mutex_unlock(&link->lock);
}

uint64_t libvirt_link_command(LibvirtLink *link, LibvirtVerb verb, const char *id, const char *xml)
{
        LibvirtCommand *command = libvirt_link_begin(link) == 0
                                          ? libvirt_command_new(verb, id, xml, link->serial + 1)
                                          : NULL;

        if (!command)
                return 0;
        link->serial++;
        pthread_mutex_lock(&link->lock);
        libvirt_commands_add(&link->commands, command);
        pthread_cond_signal(&link->wake);
        pthread_mutex_unlock(&link->lock);
        return link->serial;
}
