/* SPDX-License-Identifier: Apache-2.0
 *
 * ESP32 code in QEMU's generic Xtensa machine `sim`: requests on QEMU's stdin, replies on its stdout, time
 * in executed instructions. It ends when its stdin does, or when nobody reads its stdout.
 *
 * With -icount shift=6 an instruction takes 64 ns of the emulator's clock and CCOUNT, which runs at 40 MHz,
 * advances by 2.56: a section's ticks times 25/64, rounded, are its instructions exactly, as both readings
 * together are off by less than a tick. The 32 bits of CCOUNT last for 1.7 G instructions; CCOMPARE0
 * interrupts every half round and tells how often, as for the STM32's TIM5.
 *
 * mulsh and muluh trap (esp32sim_trap.S) and count as the one instruction each that they are on an ESP32:
 * what a trap takes beyond that is measured at start-up, where a loop of known length must come out to the
 * instruction, or the program ends: without a number rather than with a wrong one. What the windowed ABI
 * spills is counted as it happens on this core, which has 32 registers where the ESP32 has 64.
 */
#include "bench.h"
#include "config.h"
#include "esp32sim.h"
#include "port.h"

#define STDIN 0
#define STDOUT 1
#define STDERR 2
#define BLOCK_BYTES 4096u

#define TICKS_NUMERATOR 25u
#define TICKS_SHIFT 6
#define INSTRUCTIONS_PER_S (1000000000u / 64u)

#define TRIALS 4u
#define KNOWN_TURNS 500u

extern uint32_t _ebss[], _estack[];

/* The emulator reads page by page, and would block for the second one when the first is full. */
static uint8_t input[BLOCK_BYTES] __attribute__((section(".page"), aligned(BLOCK_BYTES)));
static uint32_t input_at, input_end;
static uint8_t output[BLOCK_BYTES];
static uint32_t output_end;

static uint32_t start_ticks, start_multiplies;
static uint32_t pair_instructions;
/* Per trapped multiplication, beyond the one instruction that it is. */
static uint32_t trap_instructions;

static uint32_t address_of(const void *p)
{
    return (uint32_t)(uintptr_t)p;
}

static void end_process(uint32_t code)
{
    qr_esp32sim_call(QR_SIM_EXIT, code, 0, 0);
}

static uint32_t ccount(void)
{
    uint32_t ticks;

    __asm__ volatile("rsr %0, ccount" : "=r"(ticks)::"memory");
    return ticks;
}

static void set_ccompare0(uint32_t ticks)
{
    __asm__ volatile("wsr %0, ccompare0\n\tesync" ::"r"(ticks) : "memory");
}

static void set_intenable(uint32_t mask)
{
    __asm__ volatile("wsr %0, intenable\n\trsync" ::"r"(mask) : "memory");
}

static void fill_input(void)
{
    int32_t bytes = qr_esp32sim_call(QR_SIM_READ, STDIN, address_of(input), sizeof input);

    if (bytes <= 0)
        end_process(bytes < 0);
    input_at = 0;
    input_end = (uint32_t)bytes;
}

/* Sections that differ in nothing but four instructions, which trap in one of them. */
static void calibrate(void)
{
    uint32_t trapped, plain;

    qr_port_timer_start();
    pair_instructions = (uint32_t)qr_port_timer_stop();
    qr_port_timer_start();
    __asm__ volatile("muluh a8, a8, a8\n\tmulsh a8, a8, a8\n\tmuluh a8, a8, a8\n\tmulsh a8, a8, a8" ::: "a8");
    trapped = (uint32_t)qr_port_timer_stop();
    qr_port_timer_start();
    __asm__ volatile("mull a8, a8, a8\n\tmull a8, a8, a8\n\tmull a8, a8, a8\n\tmull a8, a8, a8" ::: "a8");
    plain = (uint32_t)qr_port_timer_stop();
    trap_instructions = (trapped - plain) / TRIALS;
}

/* Instructions of a loop of two, and one before it. */
static uint32_t known_loop(void)
{
    uint32_t turns;

    qr_port_timer_start();
    __asm__ volatile("movi %0, %1\n1:\taddi %0, %0, -1\n\tbnez %0, 1b" : "=r"(turns) : "i"(KNOWN_TURNS));
    return (uint32_t)qr_port_timer_stop();
}

/* see port.h */
void qr_port_init(void)
{
    static const char refusal[] = "quantrig: a tick is no instruction, QEMU wants -icount shift=6\n";

    calibrate();
    if (known_loop() != 2 * KNOWN_TURNS + 1) {
        qr_esp32sim_call(QR_SIM_WRITE, STDERR, address_of(refusal), sizeof refusal - 1);
        end_process(1);
    }
}

/* see port.h */
int16_t qr_port_getc(void)
{
    static const uint32_t no_time[2];

    if (input_at == input_end) {
        if (qr_esp32sim_call(QR_SIM_SELECT_ONE, STDIN, QR_SIM_SELECT_READ, address_of(no_time)) <= 0)
            return -1;
        fill_input();
    }
    return input[input_at++];
}

/* see port.h */
void qr_port_idle(void)
{
    qr_port_flush();
    if (input_at == input_end)
        fill_input();
}

/* see port.h */
void qr_port_putc(uint8_t byte)
{
    if (output_end == sizeof output)
        qr_port_flush();
    output[output_end++] = byte;
}

/* see port.h */
void qr_port_flush(void)
{
    uint32_t at = 0;

    while (at < output_end) {
        int32_t bytes = qr_esp32sim_call(QR_SIM_WRITE, STDOUT, address_of(output + at), output_end - at);

        if (bytes <= 0)
            end_process(1);
        at += (uint32_t)bytes;
    }
    output_end = 0;
}

/* see port.h; a pipe has no rate, so any will do */
uint8_t qr_port_baud_possible(uint32_t baud)
{
    return baud != 0;
}

/* see port.h */
void qr_port_set_baud(uint32_t baud)
{
    (void)baud;
}

/* see port.h; pipes lose nothing */
uint16_t qr_port_rx_lost(void)
{
    return 0;
}

/* see esp32sim.h */
__attribute__((used)) void qr_esp32sim_fault(uint32_t pc, uint32_t return_address, uint32_t cause)
{
    /* the two highest bits of a return address say by how much the window turned */
    uint32_t lr = (return_address & 0x3FFFFFFFu) | (pc & 0xC0000000u);

    input_at = input_end = output_end = 0;
    for (;;) {
        int16_t byte;

        qr_bench_fault(pc, lr, cause);
        do {
            byte = qr_port_getc();
            if (byte < 0)
                qr_port_idle();
        } while (byte != 0);
    }
}

/* see port.h; noinline: the calibration must time the very same code */
__attribute__((noinline)) void qr_port_timer_start(void)
{
    set_ccompare0(ccount() + 0x80000000u);
    set_intenable(1u << QR_ESP32SIM_TIMER_BIT);
    qr_esp32sim_traps.halves = 0;
    start_multiplies = qr_esp32sim_traps.multiplies;
    start_ticks = ccount();
}

/* see port.h */
__attribute__((noinline)) uint64_t qr_port_timer_stop(void)
{
    uint32_t fine, halves, multiplies;
    uint64_t middle, ticks;

    /* first, so that no interrupt is taken off below that came after the reading */
    set_intenable(0);
    fine = ccount() - start_ticks;
    multiplies = qr_esp32sim_traps.multiplies - start_multiplies;
    halves = qr_esp32sim_traps.halves;
    /* the one value with these low bits that lies about in the middle of the half round */
    middle = ((uint64_t)halves << 31) + 0x40000000u;
    ticks = middle + (uint64_t)(int64_t)(int32_t)(fine - (uint32_t)middle);
    return ((ticks * TICKS_NUMERATOR + (1u << (TICKS_SHIFT - 1))) >> TICKS_SHIFT) - pair_instructions -
           (uint64_t)multiplies * trap_instructions - (uint64_t)halves * QR_TRAP_HALF_INSTRUCTIONS;
}

/* see port.h */
uint8_t qr_port_counter(void)
{
    return QR_COUNTER_INSTRUCTIONS;
}

/* see port.h; of the emulator's clock */
uint32_t qr_port_counter_hz(void)
{
    return INSTRUCTIONS_PER_S;
}

/* see port.h; an emulated core has no clock */
uint32_t qr_port_cpu_hz(void)
{
    return 0;
}

/* Registers of the caller's window are kept below the stack pointer. */
#define WINDOW_SAVE_WORDS 16

/* The deepest word in use that was found last; where the search for deeper ones begins. */
static uint32_t *deepest = _estack;

static uint32_t *find_deepest(void)
{
    const uint32_t *gap = deepest - QR_STACK_GAP_BYTES / 4;

    for (uint32_t *p = deepest; p > _ebss && p > gap;)
        if (*--p != QR_ESP32SIM_STACK_PAINT) {
            deepest = p;
            gap = p - QR_STACK_GAP_BYTES / 4;
        }
    return deepest;
}

/* see port.h */
uint32_t qr_port_stack_used(void)
{
    return (uint32_t)(4 * (_estack - find_deepest()));
}

/* see port.h */
void qr_port_stack_forget(void)
{
    uint32_t *sp;

    __asm__ volatile("mov %0, sp" : "=r"(sp));
    for (uint32_t *p = find_deepest(); p < sp - WINDOW_SAVE_WORDS; p++)
        *(volatile uint32_t *)p = QR_ESP32SIM_STACK_PAINT;
    deepest = sp - WINDOW_SAVE_WORDS;
}

/* see port.h; an emulated core has none */
uint8_t qr_port_setting(uint8_t at)
{
    (void)at;
    return 0;
}
