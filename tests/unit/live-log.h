/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* RTMR 0's events in the log of a live TD of 2 GiB with edk2-stable202408 to 202502, and its value
 * in the quote, published by Dstack (https://github.com/Dstack-TEE/dstack,
 * verifier/fixtures/tdx-lite-getquote.json). */
static const char *const live_log[] = {
        "0b8772e5b0b41b83e6044a68397e02f49fb47066b4fbe491"
        "7ea2c45c64f323fdacbb37948f821ebaf8bc9c938ba8a749",
        "344bc51c980ba621aaa00da3ed7436f7d6e549197dfe6995"
        "15dfa2c6583d95e6412af21c097d473155875ffd561d6790",
        "9dc3a1f80bcec915391dcda5ffbb15e7419f77eab462bbf7"
        "2b42166fb70d50325e37b36f93537a863769bcf9bedae6fb",
        "6f2e3cbc14f9def86980f5f66fd85e99d63e69a73014ed8a"
        "5633ce56eca5b64b692108c56110e22acadcef58c3250f1b",
        "d607c0efb41c0d757d69bca0615c3a9ac0b1db06c557d992"
        "e906c6b7dee40e0e031640c7bfd7bcd35844ef9edeadc6f9",
        "08a74f8963b337acb6c93682f934496373679dd26af1089c"
        "b4eaf0c30cf260a12e814856385ab8843e56a9acea19e127",
        "18cc6e01f0c6ea99aa23f8a280423e94ad81d96d0aeb5180"
        "504fc0f7a40cb3619dd39bd6a95ec1680a86ed6ab0f9828d",
        "394341b7182cd227c5c6b07ef8000cdfd86136c4292b8e57"
        "6573ad7ed9ae41019f5818b4b971c9effc60e1ad9f1289f0",
        "095d04cf26fe03aef6e3561fa24c1aa1cea93f4aeaf563b1"
        "f9f7616184c53454875925759434769cec2490acb563a337",
        "8d9a4d4777a1bc77ecd9d8d37a4628129a80052a51032015"
        "9a20a923bd07a0e90d8d1f2e1ebf088992b25f0d0fa672ef",
        "3070721e169bc41884724cb0e6b3082e1baf249083d8b389"
        "181ba50b9afa951057876c380b8870e8c2facf2eff67a2b6",
        "1dd6f7b457ad880d840d41c961283bab688e94e4b59359ea"
        "45686581e90feccea3c624b1226113f824f315eb60ae0a7c",
        "23ada07f5261f12f34a0bd8e46760962d6b4d576a416f1fe"
        "a1c64bc656b1d28eacf7047ae6e967c58fd2a98bfa74c298",
};
static const char live_rtmr0[] = "f8438db36b96f85d8752ff7f24a89ec05c79ec9eda2ba732"
                                 "c897fb970ca429365b7471b1c054cb84f17b1c2b23ba6640";
