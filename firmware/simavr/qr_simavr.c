/* SPDX-License-Identifier: Apache-2.0
 *
 * qr_simavr - runs a firmware for an Arduino Uno or Mega in simavr, its serial port on standard input and
 * output.
 *
 *     qr_simavr [--marks] [--mcu atmega2560] firmware.elf
 *
 * A separate program on purpose: it links libsimavr, which is under the GPL version 3, so a binary of
 * this file is under the GPL too. quantrig builds it on the user's machine, ships no binary of it, and
 * talks to it through pipes only.
 *
 * --marks prints `mark <cycles>` on stderr for each section between GPIOR0 = 1 and GPIOR0 = 2, and
 * `rx-isr <cycles>` (the longest receive interrupt) at the end.
 *
 * Time: never slowed down to real time. A firmware that sleeps with nothing to receive lets this process
 * sleep too, in poll. Bytes arrive on the simulated wire at the firmware's own baud rate, back to back,
 * and do not wait for the firmware: as on the chip, the fourth unread byte is lost and DOR0 is set.
 *
 * SIGUSR1 resets the chip, as its reset pin would: what is on the wire is lost, its RAM stays as it is.
 *
 * Ends: with 0 when standard input is closed and the firmware has nothing left to do (or a simulated
 * minute later), or when the reader or the parent is gone; with 2 when the firmware cannot be loaded; with
 * 3 when it crashes.
 */
#define _GNU_SOURCE /* ppoll */

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <simavr/avr_uart.h>
#include <simavr/sim_avr.h>
#include <simavr/sim_elf.h>

#define CPU_HZ 16000000
#define GPIOR0_ADDRESS 0x3E
#define UCSR0B_ADDRESS 0xC1
#define UDRIE0_BIT 5
#define UCSR0A_ADDRESS 0xC0
#define UBRR0L_ADDRESS 0xC4
#define DOR0_MASK 0x08
/* two bytes in the receive buffer and one in the shift register */
#define RX_CAPACITY 3
#define POLL_CYCLES 32000
#define MAX_RUN_CYCLES 8000
#define ORPHAN_CHECK_MS 500
#define MS_NS 1000000L
#define GRACE_CYCLES (60ULL * CPU_HZ)
#define EXIT_USAGE 2
#define EXIT_CRASH 3

DEFINE_FIFO(uint16_t, uart_fifo);

/* The chips: same serial port and general purpose registers, other interrupts. */
static const struct chip {
    const char *name;
    int rx_vector;
} chips[] = {{"atmega328p", 18}, {"atmega2560", 25}};

static struct {
    avr_t *avr;
    avr_uart_t *uart;
    avr_irq_t *wire;
    pid_t parent;
    int out_fd;
    int show_marks;
    int input_ended;
    int wire_busy; /* wire_byte is scheduled */
    unsigned polls;
    avr_cycle_count_t input_end;
    size_t in_used, in_taken, out_used;
    avr_cycle_count_t mark, rx_isr_start, rx_isr_longest;
    unsigned char in[4096], out[4096];
} sim;

static volatile sig_atomic_t reset_asked;

static void on_reset_signal(int signal_number)
{
    (void)signal_number;
    reset_asked = 1;
}

static void finish(int code)
{
    if (sim.show_marks)
        fprintf(stderr, "rx-isr %llu\n", (unsigned long long)sim.rx_isr_longest);
    exit(code);
}

static void flush_output(void)
{
    size_t done = 0;

    while (done < sim.out_used) {
        ssize_t wrote = write(sim.out_fd, sim.out + done, sim.out_used - done);

        if (wrote > 0)
            done += (size_t)wrote;
        else if (errno == EAGAIN || errno == EWOULDBLOCK)
            poll(&(struct pollfd){.fd = sim.out_fd, .events = POLLOUT}, 1, ORPHAN_CHECK_MS);
        else if (errno != EINTR)
            finish(0); /* nobody reads any more */
        if (getppid() != sim.parent)
            finish(0);
    }
    sim.out_used = 0;
}

static avr_cycle_count_t wire_byte(avr_t *avr, avr_cycle_count_t when, void *unused);

/* Takes what has arrived on standard input, waiting up to timeout_ms, less than 1000, for it. Only in here
 * the reset signal gets through, so that none comes between looking for it and waiting. */
static void take_input(int timeout_ms)
{
    struct pollfd stdin_poll = {.fd = STDIN_FILENO, .events = POLLIN};
    struct timespec timeout = {.tv_nsec = timeout_ms * MS_NS};
    sigset_t none;
    ssize_t got;

    if (sim.input_ended || sim.in_taken < sim.in_used)
        return;
    sigemptyset(&none);
    if (ppoll(&stdin_poll, 1, &timeout, &none) <= 0)
        return;
    got = read(STDIN_FILENO, sim.in, sizeof sim.in);
    if (got < 0 && (errno == EINTR || errno == EAGAIN))
        return;
    sim.in_taken = 0;
    sim.in_used = got > 0 ? (size_t)got : 0;
    sim.input_ended = got <= 0;
    sim.input_end = sim.avr->cycle;
    if (sim.in_used && !sim.wire_busy) {
        sim.wire_busy = 1;
        avr_cycle_timer_register(sim.avr, sim.uart->cycles_per_byte, wire_byte, NULL);
    }
}

/* The last bit of a byte has come in; the next one follows at once. */
static avr_cycle_count_t wire_byte(avr_t *avr, avr_cycle_count_t when, void *unused)
{
    uint8_t byte = sim.in[sim.in_taken++];
    avr_cycle_count_t byte_cycles = sim.uart->cycles_per_byte;

    (void)unused;
    if (uart_fifo_get_read_size(&sim.uart->input) >= RX_CAPACITY || avr->data[UCSR0A_ADDRESS] & DOR0_MASK) {
        avr->data[UCSR0A_ADDRESS] |= DOR0_MASK;
    } else {
        /* simavr would let the byte take its time on the wire once more */
        sim.uart->cycles_per_byte = 1;
        avr_raise_irq(sim.wire, byte);
        sim.uart->cycles_per_byte = byte_cycles;
    }
    if (sim.in_taken == sim.in_used)
        take_input(0);
    sim.wire_busy = sim.in_taken < sim.in_used;
    return sim.wire_busy ? when + byte_cycles : 0;
}

/* Host I/O for a firmware that computes and does not sleep. */
static avr_cycle_count_t poll_host(avr_t *avr, avr_cycle_count_t when, void *unused)
{
    (void)unused;
    if (sim.out_used)
        flush_output();
    take_input(0);
    if (sim.input_ended && avr->cycle - sim.input_end > GRACE_CYCLES)
        finish(0);
    if (++sim.polls % 256 == 0 && getppid() != sim.parent)
        finish(0);
    return when + POLL_CYCLES;
}

/* The firmware sleeps. With nothing on its way to it, only the host can wake it: wait for the host. */
static void on_sleep(avr_t *avr, avr_cycle_count_t cycles)
{
    if (sim.out_used)
        flush_output();
    if (sim.wire_busy || !uart_fifo_isempty(&sim.uart->input))
        return;
    /* an Arduino core sleeps while its interrupt still sends */
    if (avr->data[UCSR0B_ADDRESS] & 1 << UDRIE0_BIT)
        return;
    while (!sim.wire_busy && !reset_asked) {
        if (sim.input_ended || getppid() != sim.parent)
            finish(0);
        take_input(ORPHAN_CHECK_MS);
    }
    /* simavr is about to skip `cycles`, its plan from before there was a byte: let it plan again */
    avr->cycle -= cycles + 1;
}

static void reset_chip(void)
{
    reset_asked = 0;
    sim.in_used = sim.in_taken = 0;
    sim.wire_busy = 0;
    avr_reset(sim.avr); /* which forgets every timer, ours too */
    avr_cycle_timer_register(sim.avr, 1, poll_host, NULL);
}

static void on_output(avr_irq_t *irq, uint32_t value, void *unused)
{
    (void)irq;
    (void)unused;
    sim.out[sim.out_used++] = (uint8_t)value;
    if (sim.out_used == sizeof sim.out)
        flush_output();
}

/* simavr counts a parity bit that the frame does not have: 11 bits for 10. Called after its own. */
static void on_baud(avr_t *avr, avr_io_addr_t address, uint8_t value, void *unused)
{
    (void)avr;
    (void)address;
    (void)value;
    (void)unused;
    sim.uart->cycles_per_byte = sim.uart->cycles_per_byte * 10 / 11;
}

static void on_mark(avr_t *avr, avr_io_addr_t address, uint8_t value, void *unused)
{
    (void)unused;
    avr->data[address] = value;
    if (value == 1)
        sim.mark = avr->cycle;
    if (value == 2 && sim.show_marks)
        fprintf(stderr, "mark %llu\n", (unsigned long long)(avr->cycle - sim.mark));
}

static void on_rx_isr(avr_irq_t *irq, uint32_t running, void *unused)
{
    (void)irq;
    (void)unused;
    if (running)
        sim.rx_isr_start = sim.avr->cycle;
    else if (sim.avr->cycle - sim.rx_isr_start > sim.rx_isr_longest)
        sim.rx_isr_longest = sim.avr->cycle - sim.rx_isr_start;
}

/* simavr itself steps over an instruction that it does not know, with no more than a message. */
static void log_to_stderr(avr_t *avr, const int level, const char *format, va_list arguments)
{
    if (level > LOG_ERROR)
        return;
    vfprintf(stderr, format, arguments);
    if (avr && strstr(format, "Invalid Opcode"))
        avr->state = cpu_Crashed;
}

static avr_uart_t *find_uart(avr_t *avr)
{
    for (avr_io_t *io = avr->io_port; io; io = io->next)
        if (io->kind && !strcmp(io->kind, "uart") && ((avr_uart_t *)io)->name == '0')
            return (avr_uart_t *)io;
    return NULL;
}

static void connect_uart(avr_t *avr)
{
    uint32_t flags = 0;

    sim.uart = find_uart(avr);
    if (!sim.uart) {
        fprintf(stderr, "qr_simavr: this libsimavr has no UART 0 for this chip\n");
        exit(EXIT_USAGE);
    }
    avr_ioctl(avr, AVR_IOCTL_UART_GET_FLAGS('0'), &flags);
    flags &= ~(uint32_t)(AVR_UART_FLAG_STDIO | AVR_UART_FLAG_POLL_SLEEP);
    avr_ioctl(avr, AVR_IOCTL_UART_SET_FLAGS('0'), &flags);
    sim.wire = avr_io_getirq(avr, AVR_IOCTL_UART_GETIRQ('0'), UART_IRQ_INPUT);
    avr_irq_register_notify(avr_io_getirq(avr, AVR_IOCTL_UART_GETIRQ('0'), UART_IRQ_OUTPUT), on_output, NULL);
    avr_register_io_write(avr, UBRR0L_ADDRESS, on_baud, NULL);
}

static void load(const char *path, const struct chip *chip)
{
    static elf_firmware_t firmware;

    if (access(path, R_OK)) {
        fprintf(stderr, "qr_simavr: cannot read %s: %s\n", path, strerror(errno));
        exit(EXIT_USAGE);
    }
    if (elf_read_firmware(path, &firmware) || !firmware.flashsize) {
        fprintf(stderr, "qr_simavr: %s is no AVR firmware (ELF)\n", path);
        exit(EXIT_USAGE);
    }
    sim.avr = avr_make_mcu_by_name(chip->name);
    if (!sim.avr || avr_init(sim.avr)) {
        fprintf(stderr, "qr_simavr: this libsimavr knows no %s\n", chip->name);
        exit(EXIT_USAGE);
    }
    firmware.frequency = CPU_HZ;
    avr_load_firmware(sim.avr, &firmware);
    sim.avr->frequency = CPU_HZ;
    sim.avr->sleep = on_sleep;
    sim.avr->run_cycle_limit = MAX_RUN_CYCLES;
    connect_uart(sim.avr);
    avr_register_io_write(sim.avr, GPIOR0_ADDRESS, on_mark, NULL);
    if (sim.show_marks)
        avr_irq_register_notify(avr_get_interrupt_irq(sim.avr, chip->rx_vector) + AVR_INT_IRQ_RUNNING, on_rx_isr,
                                NULL);
    avr_cycle_timer_register(sim.avr, 1, poll_host, NULL);
}

static const struct chip *find_chip(const char *name)
{
    for (size_t i = 0; i < sizeof chips / sizeof *chips; i++)
        if (name && !strcmp(chips[i].name, name))
            return &chips[i];
    return NULL;
}

int main(int argc, char **argv)
{
    const struct chip *chip = chips;
    const char *path = NULL;
    sigset_t reset_signal;
    int state = cpu_Running;

    for (int i = 1; i < argc; i++) {
        if (!strcmp(argv[i], "--marks"))
            sim.show_marks = 1;
        else if (!strcmp(argv[i], "--mcu"))
            chip = find_chip(argv[++i]);
        else if (argv[i][0] != '-' && !path)
            path = argv[i];
        else
            path = argv[argc = 0];
    }
    if (!path || !argc || !chip) {
        fprintf(stderr, "usage: qr_simavr [--marks] [--mcu atmega328p|atmega2560] firmware.elf\n");
        return EXIT_USAGE;
    }
    sim.parent = getppid();
    signal(SIGPIPE, SIG_IGN);
    sigemptyset(&reset_signal);
    sigaddset(&reset_signal, SIGUSR1);
    sigprocmask(SIG_BLOCK, &reset_signal, NULL);
    signal(SIGUSR1, on_reset_signal);
    /* libsimavr prints to stdout as it likes: keep the firmware's bytes apart from that */
    sim.out_fd = dup(STDOUT_FILENO);
    if (sim.out_fd < 0 || dup2(STDERR_FILENO, STDOUT_FILENO) < 0) {
        perror("qr_simavr: standard output");
        return EXIT_USAGE;
    }
    avr_global_logger_set(log_to_stderr);
    load(path, chip);
    while (state != cpu_Done && state != cpu_Crashed) {
        if (reset_asked)
            reset_chip();
        state = avr_run(sim.avr);
    }
    flush_output();
    fprintf(stderr, "qr_simavr: the firmware %s at address 0x%04x after %llu cycles\n",
            state == cpu_Crashed ? "crashed" : "stopped for good (sleep without interrupts)", sim.avr->pc,
            (unsigned long long)sim.avr->cycle);
    return EXIT_CRASH;
}
