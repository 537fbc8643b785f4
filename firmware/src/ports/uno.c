/* SPDX-License-Identifier: Apache-2.0
 *
 * Arduino Uno: ATmega328P at 16 MHz, bare metal. Serial on USART0 through an interrupt-fed ring; clock
 * and stack are those of avr_*.
 */
#include <avr/interrupt.h>
#include <avr/io.h>
#include <avr/sleep.h>

#include "avr_baud.h"
#include "avr_clock.h"
#include "config.h"
#include "port.h"

#ifndef QR_START_BAUD
#define QR_START_BAUD 1000000UL
#endif

#define RX_MASK ((uint8_t)(QR_RX_RING_BYTES - 1))

_Static_assert(QR_RX_RING_BYTES <= 256, "the ring's indices are bytes");

static volatile uint8_t rx_ring[QR_RX_RING_BYTES];
static volatile uint8_t rx_head; /* written by the interrupt only */
static volatile uint8_t rx_tail; /* written by getc only */
static volatile uint16_t rx_lost;
static uint8_t tx_used;

/* Measured in simavr: 67 cycles at most, and silicon's entry takes 4 more. At 1,000,000 baud a byte
 * comes every 160. */
ISR(USART_RX_vect)
{
    uint8_t status = UCSR0A;
    uint8_t byte = UDR0;
    uint8_t head = rx_head;
    uint8_t next = (head + 1) & RX_MASK;

    if (next == rx_tail) {
        status = _BV(DOR0);
    } else {
        rx_ring[head] = byte;
        rx_head = next;
    }
    if ((status & (_BV(FE0) | _BV(DOR0))) && rx_lost != UINT16_MAX)
        rx_lost++;
}

#ifdef QR_TRIGGER_PIN
/* Arduino's numbers: 0 to 7 are port D, 8 to 13 port B, 14 to 19 (A0 to A5) port C. Constants, so that each
 * becomes one instruction, which no interrupt can come between. */
#if QR_TRIGGER_PIN < 8
#define TRIGGER_DDR DDRD
#define TRIGGER_PORT PORTD
#define TRIGGER_BIT _BV(QR_TRIGGER_PIN)
#elif QR_TRIGGER_PIN < 14
#define TRIGGER_DDR DDRB
#define TRIGGER_PORT PORTB
#define TRIGGER_BIT _BV(QR_TRIGGER_PIN - 8)
#else
#define TRIGGER_DDR DDRC
#define TRIGGER_PORT PORTC
#define TRIGGER_BIT _BV(QR_TRIGGER_PIN - 14)
#endif

/* see port.h */
void qr_port_trigger(uint8_t on)
{
    if (on)
        TRIGGER_PORT |= TRIGGER_BIT;
    else
        TRIGGER_PORT &= (uint8_t)~TRIGGER_BIT;
}
#endif

/* see port.h */
void qr_port_init(void)
{
#ifdef QR_TRIGGER_PIN
    TRIGGER_DDR |= TRIGGER_BIT;
#endif
    set_sleep_mode(SLEEP_MODE_IDLE);
    sei();
    qr_avr_clock_init();
    qr_port_set_baud(0);
    UCSR0A = _BV(U2X0);
    UCSR0C = _BV(UCSZ01) | _BV(UCSZ00);
    UCSR0B = _BV(RXCIE0) | _BV(RXEN0) | _BV(TXEN0);
}

/* see port.h */
int16_t qr_port_getc(void)
{
    uint8_t tail = rx_tail;
    uint8_t byte;

    if (tail == rx_head)
        return -1;
    byte = rx_ring[tail];
    rx_tail = (tail + 1) & RX_MASK;
    return byte;
}

/* see port.h */
void qr_port_idle(void)
{
    /* the instruction after sei() runs before any interrupt: no byte slips in between test and sleep */
    cli();
    if (rx_tail == rx_head) {
        sleep_enable();
        sei();
        sleep_cpu();
        sleep_disable();
    }
    sei();
}

/* see port.h */
void qr_port_putc(uint8_t byte)
{
    while (!(UCSR0A & _BV(UDRE0))) {
    }
    /* TXC must be cleared after this byte went in and before it is out: no interrupt between */
    cli();
    UDR0 = byte;
    UCSR0A = _BV(U2X0) | _BV(TXC0);
    sei();
    tx_used = 1;
}

/* see port.h */
void qr_port_flush(void)
{
    if (!tx_used)
        return;
    while (!(UCSR0A & _BV(TXC0))) {
    }
    tx_used = 0;
}

/* see port.h */
void qr_port_set_baud(uint32_t baud)
{
    UBRR0 = qr_avr_ubrr(baud ? baud : QR_START_BAUD);
}

/* see port.h */
uint16_t qr_port_rx_lost(void)
{
    uint16_t lost;

    cli();
    lost = rx_lost;
    sei();
    return lost;
}

/* see port.h; nothing that the chip could tell */
uint8_t qr_port_setting(uint8_t at)
{
    (void)at;
    return 0;
}
