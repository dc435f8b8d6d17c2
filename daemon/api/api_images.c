/* SPDX-License-Identifier: Apache-2.0 */

/* ListImages: reads the images' manifests in a worker thread, with the caller's rights and in the
 * caller's turn (turns.h). */

#include "api/api.h"
#include "artifact/image.h"
#include "launch/quota.h"

typedef struct ImagesJob {
        Turn turn;
        WireCall *call; /* a reference */
        WirePeer peer;  /* owned copy */
        const Config *config;
        json_object *images; /* NULL: out of memory, or there was no turn */
        size_t left_out;
} ImagesJob;

static void images_job_free(ImagesJob *job)
{
        wire_call_unref(job->call);
        wire_peer_done(&job->peer);
        json_object_put(job->images);
        free(job);
}

static void on_images_work(Turn *turn)
{
        ImagesJob *job = container_of(turn, ImagesJob, turn);
        CallerBudget budget = {CALLER_LOAD_MSEC};
        const Caller caller = {job->peer.uid, job->peer.gid, job->peer.groups, job->peer.n_groups,
                               &budget};
        const ImagePlaces places = {job->config->images};

        job->images = image_list(&places, &caller, &job->left_out);
}

static void on_images_done(Turn *turn)
{
        ImagesJob *job = container_of(turn, ImagesJob, turn);
        _cleanup_(cvm_error_done) CvmError error = {};

        wire_call_on_gone(job->call, NULL, NULL);
        if (job->images) {
                json_object *left_out =
                        job->left_out ? json_object_new_int64((int64_t)job->left_out) : NULL;

                wire_call_reply(job->call, json_build("images", TAKE_PTR(job->images), "leftOut",
                                                      left_out, NULL));
        } else {
                cvm_error_system(&error, -ENOMEM, "list the images");
                wire_call_error(job->call, &error);
        }
        images_job_free(job);
}

static void on_images_gone(WireCall *call, void *userdata)
{
        ImagesJob *job = userdata;

        if (turns_withdraw(&job->turn))
                images_job_free(job);
}

int api_list_images(WireCall *call, json_object *parameters, void *userdata, CvmError *error)
{
        static const JsonField fields[] = {{}};
        const Manager *manager = userdata;
        const WirePeer *peer = wire_call_peer(call);
        int r = api_dispatch(parameters, fields, NULL, error);
        ImagesJob *job;

        if (r < 0)
                return r;
        job = calloc(1, sizeof(*job));
        if (!job)
                return cvm_error_system(error, -ENOMEM, "list the images");
        job->call = wire_call_ref(call);
        job->config = manager->home.config;
        r = wire_peer_copy(peer, &job->peer);
        if (r < 0) {
                images_job_free(job);
                return cvm_error_system(error, r, "list the images");
        }
        wire_call_on_gone(call, on_images_gone, job);
        turns_take(manager->home.turns, &job->turn, quota_account(manager, peer->uid),
                   on_images_work, on_images_done);
        return 0;
}
