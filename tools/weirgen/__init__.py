"""Captures of SMTP sessions, made and read again; the modules behind tools/weir-gen.

    mail      files -> messages as they travel (CRLF, dot-stuffing) and their envelopes
    dialogue  messages -> what client and server say, turn by turn
    wire      octets -> Ethernet frames, and frames -> segments; checksums, tags, fragments
    session   a dialogue as a TCP connection seen by a bump in the wire, with impairments
    capture   pcap files, written and read
    truth     frames -> streams -> messages: slow, obvious, and therefore believed

Imports run downwards only; nothing here needs more than Python's standard library.
"""
