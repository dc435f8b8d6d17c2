/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The real QEMU takes the command lines of the built-in templates, with the descriptors that they
 * name, and answers QMP before the guest's first instruction.
 *
 * Confidential platforms need their hardware: their command lines are run without the confidential
 * object, by emulation instead of KVM and without vhost-vsock. That proves all of their other
 * arguments and devices.
 */
#include "../unit/test.h"

#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "../unit/artifacts.h"
#include "../unit/plan-inputs.h"
#include "base/memfd.h"
#include "machine.h"

#define DESCRIPTORS_MAX 32u
#define FIRMWARE_SIZE 65536u /* QEMU takes firmware in units of this */
#define HIGH_FD 200          /* above all numbers of a plan */

static TemplateSet *set;

static int listening_socket(void)
{
        int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

        assert_true(fd >= 0);
        assert_int_equal(bind(fd, &(struct sockaddr){.sa_family = AF_UNIX}, sizeof(sa_family_t)),
                         0);
        assert_int_equal(listen(fd, 8), 0);
        return fd;
}

static int connect_to(int listener)
{
        struct sockaddr_un address;
        socklen_t size = sizeof(address);
        int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

        assert_int_equal(getsockname(listener, (struct sockaddr *)&address, &size), 0);
        assert_int_equal(connect(fd, (struct sockaddr *)&address, size), 0);
        return fd;
}

static int sealed_file(const void *data, size_t size)
{
        int fd = memfd_from_bytes("test", data, size);

        assert_true(fd >= 0);
        return fd;
}

/* An empty image of 1 MiB: header, refcount table and L1 table, a cluster of 64 KiB each (QEMU's
   docs/interop/qcow2.txt, version 2; big-endian). */
static int qcow2_file(void)
{
        uint8_t image[3 << 16] = {'Q', 'F', 'I', 0xfb, [7] = 2, [23] = 16 /* cluster_bits */};
        int fd = memfd_create("qcow2", MFD_CLOEXEC);

        image[29] = 0x10; /* size */
        image[39] = 1;    /* l1_size */
        image[45] = 2;    /* l1_table_offset */
        image[53] = 1;    /* refcount_table_offset */
        image[59] = 1;    /* refcount_table_clusters */
        assert_true(fd >= 0);
        assert_int_equal(write(fd, image, sizeof(image)), sizeof(image));
        return fd;
}

/* What the daemon would pass. */
static int descriptor(const char *what)
{
        static const uint8_t zeros[FIRMWARE_SIZE];
        uint8_t kernel[BZIMAGE_SIZE];
        int fd;

        make_bzimage(kernel);
        memcpy(kernel + 0x22c, "\xff\xff\xff\x7f", 4); /* initrd_addr_max (Linux boot protocol) */
        if (strcmp(what, "kernel") == 0)
                return sealed_file(kernel, sizeof(kernel));
        if (strcmp(what, "initramfs") == 0)
                return sealed_file("070701", 6);
        if (strcmp(what, "firmware") == 0)
                return sealed_file(zeros, sizeof(zeros));
        if (strcmp(what, "disk:root") == 0)
                return open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
        if (strcmp(what, "disk:data") == 0)
                return qcow2_file();
        if (strcmp(what, "disk:disk2") == 0) /* a device that everybody has */
                return open("/dev/null", O_RDWR | O_CLOEXEC);
        if (strcmp(what, "qmp") == 0 || strcmp(what, "console") == 0 || strcmp(what, "notify") == 0)
                return listening_socket();
        /* read by nothing but what without_confidentiality() takes out */
        if (strcmp(what, "igvm") == 0 || strcmp(what, "vhost-vsock") == 0)
                return open("/dev/null", O_RDONLY | O_CLOEXEC);
        if (strcmp(what, "env_share") != 0 && strcmp(what, "certs_share") != 0 &&
            strncmp(what, "share:", 6) != 0)
                fail_msg("no descriptor of the name %s is expected", what);
        fd = open("/tmp", O_PATH | O_DIRECTORY | O_CLOEXEC);
        assert_true(fd >= 0);
        return fd;
}

/* As the daemon starts it: each descriptor at its number, nothing else but 0, 1 and 2. */
static void start(Machine *machine, const LaunchPlan *plan, char *const *argv)
{
        int fds[DESCRIPTORS_MAX], pipe_fds[2];

        *machine = (Machine){.qmp = -1, .stderr_fd = -1};
        assert_true(plan->n_descriptors <= DESCRIPTORS_MAX);
        assert_int_equal(pipe2(pipe_fds, O_CLOEXEC), 0);
        for (size_t i = 0; i < plan->n_descriptors; i++) {
                fds[i] = descriptor(plan->descriptors[i].what);
                if (strcmp(plan->descriptors[i].what, "qmp") == 0)
                        machine->qmp = connect_to(fds[i]);
        }
        machine->pid = fork();
        assert_true(machine->pid >= 0);
        if (machine->pid == 0) {
                dup2(open("/dev/null", O_RDWR | O_CLOEXEC), STDIN_FILENO);
                dup2(pipe_fds[1], STDOUT_FILENO);
                dup2(pipe_fds[1], STDERR_FILENO);
                for (size_t i = 0; i < plan->n_descriptors; i++)
                        fds[i] = fcntl(fds[i], F_DUPFD_CLOEXEC, HIGH_FD);
                for (size_t i = 0; i < plan->n_descriptors; i++)
                        dup2(fds[i], plan->descriptors[i].number);
                execv(argv[0], argv);
                _exit(127);
        }
        close(pipe_fds[1]);
        machine->stderr_fd = pipe_fds[0];
        for (size_t i = 0; i < plan->n_descriptors; i++)
                close(fds[i]);
}

/* Waits for `text` over QMP; QEMU's own words are the failure if it ends before. */
static void await(Machine *machine, const char *text)
{
        while (!machine->input.data || !strstr(machine->input.data, text)) {
                char bytes[4096];
                ssize_t n;

                if (poll(&(struct pollfd){.fd = machine->qmp, .events = POLLIN}, 1,
                         MACHINE_WAIT_MSEC) != 1)
                        fail_msg("no %s within %d ms", text, MACHINE_WAIT_MSEC);
                n = read(machine->qmp, bytes, sizeof(bytes));
                if (n <= 0)
                        fail_msg("QEMU ended: %s", read_until(machine->stderr_fd, NULL));
                assert_int_equal(buffer_append(&machine->input, bytes, (size_t)n), 0);
        }
}

static void answers(const LaunchPlan *plan, char *const *argv)
{
        _cleanup_free_ char *said = NULL;
        Machine machine;
        int status;

        start(&machine, plan, argv);
        await(&machine, "\"QMP\"");
        assert_true(dprintf(machine.qmp, "{\"execute\": \"qmp_capabilities\"}\n"
                                         "{\"execute\": \"query-status\"}\n") > 0);
        await(&machine, "\"status\": \"prelaunch\"");
        assert_true(dprintf(machine.qmp, "{\"execute\": \"quit\"}\n") > 0);
        status = machine_wait(&machine, &said);
        machine_done(&machine);
        assert_string_equal(said, "");
        assert_int_equal(status, 0);
}

static LaunchPlan *render(const char *platform, const Launch *launch)
{
        _cleanup_(cvm_error_done) CvmError error = {};
        const Template *template = template_set_find(set, platform);
        LaunchPlan *plan = NULL;

        assert_non_null(template);
        assert_int_equal(template_render(set, template, &launch->inputs, &plan, &error), 0);
        return plan;
}

static void use_real(Launch *launch)
{
        const char *real = machine_real();

        if (!real) {
                print_message("qemu-system-x86_64 is not installed\n");
                skip();
        }
        launch->inputs.qemu = real;
        /* any port that is free */
        for (size_t i = 0; i < launch->inputs.n_forwards; i++) {
                launch->forwards[i].host_port = 0;
                launch->forwards[i].address = (char *)"127.0.0.1";
        }
}

static void test_plain_minimal(void **state)
{
        _cleanup_(launch_plan_freep) LaunchPlan *plan = NULL;
        Launch launch;

        launch_minimal(&launch);
        use_real(&launch);
        plan = render("plain", &launch);
        answers(plan, plan->argv);
}

static bool begins(const char *text, const char *with)
{
        return strncmp(text, with, strlen(with)) == 0;
}

/* All but KVM, vsock and GPUs; more memory than the machine may have, of which none is touched. */
static void test_plain_full(void **state)
{
        _cleanup_(launch_plan_freep) LaunchPlan *plan = NULL;
        Launch launch;

        launch_full(&launch);
        use_real(&launch);
        launch.inputs.kvm = launch.inputs.vsock = false;
        launch.inputs.cpus = 17;
        launch.spec.n_gpus = 0; /* no device of a host can be counted on */
        launch.inputs.artifacts[ARTIFACT_FIRMWARE].present = true;
        plan = render("plain", &launch);
        answers(plan, plan->argv);
}

static void test_no_network(void **state)
{
        _cleanup_(launch_plan_freep) LaunchPlan *plan = NULL;
        Launch launch;

        launch_minimal(&launch);
        use_real(&launch);
        launch.spec.network = SPEC_NETWORK_NONE;
        plan = render("plain", &launch);
        answers(plan, plan->argv);
}

/* Takes ",key=value" out of an option's text. */
static void cut(char *text, const char *key)
{
        char *at = strstr(text, key), *end;

        if (!at)
                return;
        end = strchrnul(at + 1, ',');
        if (at > text && at[-1] == ',')
                at--;
        else if (*end)
                end++;
        memmove(at, end, strlen(end) + 1);
}

/* A confidential platform's command line as far as this machine can run it. */
static char **without_confidentiality(const LaunchPlan *plan)
{
        char **argv = calloc(plan->argc + 2, sizeof(char *));
        unsigned n_cut = 0;
        size_t n = 0;

        assert_non_null(argv);
        for (size_t i = 0; i < plan->argc; i++) {
                const char *option = plan->argv[i];
                char *value = i + 1 < plan->argc ? plan->argv[i + 1] : NULL;

                if (strcmp(option, "-enable-kvm") == 0) {
                        argv[n++] = (char *)"-accel";
                        argv[n++] = (char *)"tcg";
                        continue;
                }
                if ((strcmp(option, "-object") == 0 &&
                     (begins(value, "sev-") || begins(value, "igvm-cfg") || *value == '{')) ||
                    (strcmp(option, "-device") == 0 && begins(value, "vhost-vsock"))) {
                        n_cut++;
                        i++;
                        continue;
                }
                if (strcmp(option, "-cpu") == 0) {
                        argv[n++] = plan->argv[i++];
                        argv[n++] = (char *)"max";
                        continue;
                }
                if (strcmp(option, "-machine") == 0) {
                        cut(value, "confidential-guest-support=");
                        cut(value, "igvm-cfg=");
                }
                argv[n++] = plan->argv[i];
        }
        assert_true(n_cut >= 1);
        return argv;
}

static void test_confidential(void **state)
{
        for (size_t i = 0; i < template_set_size(set); i++) {
                const Template *template = template_set_get(set, i);
                _cleanup_(launch_plan_freep) LaunchPlan *plan = NULL;
                _cleanup_free_ char **argv = NULL;
                Launch launch;

                if (!template_is_confidential(template))
                        continue;
                launch_minimal(&launch);
                use_real(&launch);
                launch_needs(&launch, template);
                plan = render(template_name(template), &launch);
                argv = without_confidentiality(plan);
                answers(plan, argv);
        }
}

static int setup(void **state)
{
        _cleanup_(cvm_error_done) CvmError error = {};

        return template_set_load(NULL, &set, &error);
}

static int teardown(void **state)
{
        set = template_set_free(set);
        return 0;
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_plain_minimal),
                cmocka_unit_test(test_plain_full),
                cmocka_unit_test(test_no_network),
                cmocka_unit_test(test_confidential),
        };

        return cmocka_run_group_tests(tests, setup, teardown);
}
