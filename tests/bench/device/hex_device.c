/* SPDX-License-Identifier: Apache-2.0
 *
 * The device end of the hex-with-acknowledgement scheme in common use (MLPerf Tiny's), written from its
 * description: commands in ASCII up to `%`, lines in reply, the last of them `m-ready`. It stands where
 * bench.c stands, on the same port and with the same model, so that both schemes meet the same line.
 */
#include "bench.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model.h"
#include "port.h"
#include "port_line.h"

#define COMMAND_BYTES 80

static char command[COMMAND_BYTES];
static size_t command_end;
static size_t expected, loaded;

static void say(const char *text)
{
    while (*text)
        qr_port_putc((uint8_t)*text++);
}

static void say_line(const char *text)
{
    say(text);
    say("\r\n");
}

static void say_number(const char *before, unsigned long number, const char *after)
{
    char line[64];

    snprintf(line, sizeof line, "%s%lu%s", before, number, after);
    say_line(line);
}

static int digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static void load(const char *hex)
{
    for (; hex[0] && hex[1] && loaded < expected; hex += 2) {
        int high = digit(hex[0]), low = digit(hex[1]);

        if (high < 0 || low < 0) {
            say_line("e-[Invalid hex digit]");
            return;
        }
        qr_arena[loaded++] = (uint8_t)(high * 16 + low);
        if (loaded == expected)
            say_line("m-load-done");
    }
}

static void results(void)
{
    char number[16];

    say("m-results-[");
    for (size_t i = 0; i < OUTPUT_BYTES; i++) {
        snprintf(number, sizeof number, i ? ",%0.3f" : "%0.3f", qr_arena[INPUT_BYTES + i] / 256.0);
        say(number);
    }
    say_line("]");
}

static void lap(void)
{
    say_number("m-lap-us-", (unsigned long)(line_now_ns() / 1000), "");
}

static void infer(const char *arguments)
{
    char *end;
    unsigned long runs = strtoul(arguments, &end, 10), warmups = strtoul(end, NULL, 10);

    say_number("m-warmup-start-", warmups, "");
    while (warmups--)
        qr_model_invoke();
    say_line("m-warmup-done");
    say_number("m-infer-start-", runs, "");
    lap();
    while (runs--)
        qr_model_invoke();
    lap();
    say_line("m-infer-done");
    results();
}

static void carry_out(void)
{
    if (strncmp(command, "db load ", 8) == 0) {
        expected = strtoul(command + 8, NULL, 10);
        loaded = 0;
        say_number("m-[Expecting ", expected, " bytes]");
    } else if (strncmp(command, "db ", 3) == 0) {
        load(command + 3);
    } else if (strncmp(command, "infer ", 6) == 0) {
        infer(command + 6);
    } else {
        say_line("e-[Unknown command]");
    }
    say_line("m-ready");
}

/* see bench.h */
void qr_bench_init(void)
{
    command_end = expected = loaded = 0;
}

/* see bench.h */
void qr_bench_poll(void)
{
    int16_t byte = qr_port_getc();

    if (byte < 0) {
        qr_port_idle();
    } else if (byte == '%') {
        command[command_end] = 0;
        carry_out();
        command_end = 0;
    } else if (command_end < COMMAND_BYTES - 1) {
        command[command_end++] = (char)byte;
    }
}
