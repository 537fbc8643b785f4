/* SPDX-License-Identifier: Apache-2.0
 *
 * config.h - limits of the device, one set per class of board. The builder may override each with -D.
 *
 * A request and its leading delimiter always fit into the receive ring, and the host sends the next
 * one only after the reply: that is the whole flow control.
 */
#ifndef QR_CONFIG_H
#define QR_CONFIG_H

#ifndef QR_BOARD
#error "the builder defines QR_BOARD as the board's name, a C string"
#endif

#if defined(QR_PORT_NATIVE) + defined(QR_PORT_UNO) + defined(QR_PORT_STM32F4) + defined(QR_PORT_MPS2)      \
        + defined(QR_PORT_LM3S) + defined(QR_PORT_ESP32SIM) + defined(QR_PORT_ARDUINO)                        \
    != 1
#error "the builder defines exactly one of QR_PORT_NATIVE, _UNO, _STM32F4, _MPS2, _LM3S, _ESP32SIM, _ARDUINO"
#endif

/* Bytes of the ring that the port receives into; a power of two, one slot stays free. Arduino cores keep
 * a ring of 64 bytes of their own, but for the ESP32's, which can be told how much. */
#ifndef QR_RX_RING_BYTES
#if defined(QR_PORT_ARDUINO) && !defined(ARDUINO_ARCH_ESP32)
#define QR_RX_RING_BYTES 64
#elif defined(__AVR__)
#define QR_RX_RING_BYTES 128
#else
#define QR_RX_RING_BYTES 4096
#endif
#endif

/* Largest frame before COBS: header, body and CRC. One buffer of this size serves both directions. */
#ifndef QR_FRAME_BYTES
#if defined(QR_PORT_ARDUINO) && !defined(ARDUINO_ARCH_ESP32)
#define QR_FRAME_BYTES 60
#elif defined(__AVR__)
#define QR_FRAME_BYTES 124
#else
#define QR_FRAME_BYTES 2048
#endif
#endif

#if QR_RX_RING_BYTES & (QR_RX_RING_BYTES - 1)
#error "QR_RX_RING_BYTES must be a power of two"
#endif
#if QR_FRAME_BYTES + (QR_FRAME_BYTES + 253) / 254 + 2 >= QR_RX_RING_BYTES
#error "a frame of QR_FRAME_BYTES, its COBS overhead and two delimiters must fit into the ring"
#endif
#if QR_FRAME_BYTES < 44
#error "the host may shrink frames to 44 bytes, not below: QR_FRAME_BYTES is too small"
#endif

#endif
