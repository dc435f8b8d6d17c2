/* SPDX-License-Identifier: Apache-2.0 */
#include "base/json.h"
#include "output.h"
#include "session.h"

#define ANSWER_MSEC 2000 /* a daemon that hangs must not delay the version */

ExitStatus verb_version(const Arguments *arguments)
{
        _cleanup_(wire_client_freep) WireClient *client = NULL;
        _cleanup_(cvm_error_done) CvmError error = {};
        _cleanup_free_ char *socket = session_socket(&arguments->cli);
        _cleanup_json_ json_object *info = NULL, *both = NULL;
        _cleanup_free_ char *product = NULL, *version = NULL;

        if (socket && wire_client_connect(socket, &client, &error) >= 0) {
                wire_client_set_timeout(client, ANSWER_MSEC);
                wire_client_call(client, "org.varlink.service.GetInfo", NULL, NULL, 0, &info,
                                 &error);
        }
        if (arguments->cli.json) {
                both = json_build("cvmctl", json_new_text(CVMD_VERSION), "daemon",
                                  json_object_get(info), NULL);
                output_json(both);
                return EXIT_OK;
        }
        printf("cvmctl %s\n", CVMD_VERSION);
        if (!info)
                return EXIT_OK;
        product = output_member(info, "product");
        version = output_member(info, "version");
        printf("%s %s\n", product ?: "-", version ?: "-");
        return EXIT_OK;
}
