/* SPDX-License-Identifier: Apache-2.0
 *
 * The ring between the serial port's interrupt and the program.
 */
#include "config.h"
#include "cortexm.h"
#include "port.h"

#define RX_MASK (QR_RX_RING_BYTES - 1u)

_Static_assert(QR_RX_RING_BYTES <= 65536, "the ring's indices are 16 bits");

static volatile uint8_t rx_ring[QR_RX_RING_BYTES];
static volatile uint16_t rx_head; /* written by the interrupt only */
static volatile uint16_t rx_tail; /* written by getc only */
static volatile uint16_t rx_lost;

/* see cortexm.h */
void qr_cortexm_lost(void)
{
    if (rx_lost != UINT16_MAX)
        rx_lost++;
}

/* see cortexm.h */
void qr_cortexm_received(uint8_t byte)
{
    uint16_t head = rx_head;
    uint16_t next = (head + 1u) & RX_MASK;

    if (next == rx_tail) {
        qr_cortexm_lost();
        return;
    }
    rx_ring[head] = byte;
    rx_head = next;
}

/* see cortexm.h */
void qr_cortexm_forget(void)
{
    rx_head = rx_tail = 0;
}

/* see port.h */
int16_t qr_port_getc(void)
{
    uint16_t tail = rx_tail;
    uint8_t byte;

    if (tail == rx_head)
        return -1;
    byte = rx_ring[tail];
    rx_tail = (tail + 1u) & RX_MASK;
    return byte;
}

/* see port.h */
void qr_port_idle(void)
{
    /* masked, an interrupt that is pending still ends the wait: no byte slips in before it */
    __asm__ volatile("cpsid i" ::: "memory");
    if (rx_tail == rx_head)
        __asm__ volatile("dsb\n\twfi" ::: "memory");
    __asm__ volatile("cpsie i" ::: "memory");
}

/* see port.h */
uint16_t qr_port_rx_lost(void)
{
    return rx_lost;
}
