/* SPDX-License-Identifier: Apache-2.0
 *
 * The firmware of every board: bring the board up, then answer the host for ever.
 */
#include "bench.h"
#include "port.h"

int main(void)
{
    qr_port_init();
    qr_bench_init();
    for (;;)
        qr_bench_poll();
}
