/* SPDX-License-Identifier: Apache-2.0
 *
 * The model of the link's yardstick: INPUT_BYTES to OUTPUT_BYTES in RUN_NS, all by -D.
 */
#ifndef MODEL_CONFIG_H
#define MODEL_CONFIG_H

#define QR_MODEL_ABI_GENERATED 2
#define QR_MODEL_INPUTS 1
#define QR_MODEL_OUTPUTS 1
#define QR_ARENA_BYTES (INPUT_BYTES + OUTPUT_BYTES)
#define QR_MODEL_INFO_BYTES 30

#endif
