/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PORT_MEMORY_H
#define PORT_MEMORY_H

#include <stddef.h>
#include <stdint.h>

/* Feeds `data` to the device until it has taken all of it. Returns how many bytes it sent meanwhile. */
size_t device_serve(const uint8_t *data, size_t bytes);

/* What the last call of device_serve or device_encode sent. */
const uint8_t *device_output(void);

/* How many bytes that is, also after qr_bench_fault. */
size_t device_output_bytes(void);

/* The link alone: one frame encoded into device_output. Returns its bytes on the wire. */
size_t device_encode(uint8_t type, uint16_t sequence, const uint8_t *body, uint16_t bytes);

/* The link alone: the first valid frame in `data`, header and body. Returns its bytes, or the last
 * event of qr_link_receive when there is none. */
int device_decode(const uint8_t *data, size_t bytes, uint8_t *frame);

#endif
