/* SPDX-License-Identifier: Apache-2.0
 *
 * A port whose serial line takes time: the device end as a shared object that runs on a clock of its own, in
 * nanoseconds, and can be stopped at any moment of it, in the middle of sending too. Computing takes the
 * time that the model says.
 */
#ifndef PORT_LINE_H
#define PORT_LINE_H

#include <stddef.h>
#include <stdint.h>

/* A reset at time 0. A byte, its start and stop bit included, takes `byte_ns` in either direction. */
void line_start(uint64_t byte_ns);

/* `bytes` of `data` come from the host one behind the other; the first has arrived at `first_ns`.
 * Returns 0 when there is no room to remember them. */
int line_feed(const uint8_t *data, size_t bytes, uint64_t first_ns);

/* Runs the device up to `until_ns`, or until it has sent the `enough`-th byte that is not taken yet. */
void line_run(uint64_t until_ns, size_t enough);

/* How many sent bytes are not taken yet, the bytes, and when the last bit of each had left. */
size_t line_sent(void);
const uint8_t *line_sent_bytes(void);
const uint64_t *line_sent_at(void);

/* Forgets the first `bytes` of them. */
void line_take(size_t bytes);

/* For the device's program: it computes for so long. */
void line_compute(uint64_t ns);

/* The device's clock. */
uint64_t line_now_ns(void);

#endif
