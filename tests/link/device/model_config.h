/* SPDX-License-Identifier: Apache-2.0
 *
 * The model of the link's tests: every output byte is twice its input byte. Sizes may come by -D; with
 * FAKE_BYTES_1 = 0 there is one input and one output.
 */
#ifndef MODEL_CONFIG_H
#define MODEL_CONFIG_H

#ifndef FAKE_BYTES_0
#define FAKE_BYTES_0 16
#endif
#ifndef FAKE_BYTES_1
#define FAKE_BYTES_1 5
#endif

#ifndef FAKE_STATE
#define FAKE_STATE 0
#endif

#define QR_MODEL_ABI_GENERATED 2
#define FAKE_TENSORS (FAKE_BYTES_1 ? 2 : 1)
#define QR_MODEL_INPUTS FAKE_TENSORS
#define QR_MODEL_OUTPUTS FAKE_TENSORS
#define QR_ARENA_BYTES (FAKE_BYTES_0 + FAKE_BYTES_1)
#define QR_MODEL_INFO_BYTES (2 + 2 * FAKE_TENSORS * 14)

#endif
