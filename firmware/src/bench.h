/* SPDX-License-Identifier: Apache-2.0
 *
 * bench.h - answers the host's requests and times inferences.
 */
#ifndef QR_BENCH_H
#define QR_BENCH_H

#include <stdint.h>

/* Forgets any session, and says so to whoever listens. Called once, after qr_port_init. */
void qr_bench_init(void);

/* Takes one received byte, and serves the request that it completes; idles when there is none. */
void qr_bench_poll(void);

/* Sends one FAULT frame with these three (docs/PROTOCOL.md) and returns. For a port's fault handler, which
 * calls it at once and again after each received delimiter, for ever. It needs the link's buffer,
 * qr_port_putc and qr_port_flush, and nothing else that the fault may have broken. */
void qr_bench_fault(uint32_t pc, uint32_t lr, uint32_t syndrome);

#endif
