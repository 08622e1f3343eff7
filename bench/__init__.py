"""Benchmarks: native, qemu-user and blink in alternation; `./dev bench` runs them."""
