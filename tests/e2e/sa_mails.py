#!/usr/bin/env python3
"""Mails that the corpus does not have, for sa_agree.py: made of pieces, always the same ones.

    tests/e2e/sa_mails.py FOLDER [COUNT]

Each mail takes pieces at random from the lists below: fields that mailers and forgers write, texts in many charsets
and encodings, HTML tricks, URLs in every disguise, files, and what goes wrong with MIME. The generator is seeded, so
mail 17 is the same mail wherever it is made."""
import base64
import os
import quopri
import random
import sys

COUNT = 200

NAMES = ("Anna Kowalska", "PayPal Service", "J. Smith, MD", "O'Neil \"Bob\" Jones", "info", "Bank of Nowhere", "WINNER TEAM",
         "Jürgen Müller", "Мария Иванова", "山田太郎", "eBay", "support@paypal.example")
ADDRESSES = ("anna@example.org", "noreply@mail.example.com", "a.b-c+d@sub.example.co.uk", "x1234567@hotmail.com", "winner2024@gmail.com",
             "service@paypal.com", "root@localhost", "info@xn--bcher-kva.example", "someone@yahoo.com", "J.Doe@EXAMPLE.net", "ab12cd34@example.ru",
             "admin@192.0.2.7", "sales@shop.example.info", "dr.who@aol.com")
SUBJECTS = ("Re: your account", "URGENT BUSINESS PROPOSAL", "Your order #48213 has shipped", "Fwd: fwd: funny", "", "FREE!!! Viagra $1.99",
            "You have WON 1,000,000 EUR", "Überweisung überfällig", "Срочно! Кредит без справок", "お知らせ", "hello        there",
            "Invoice 2024-113", "Lose weight fast - guaranteed", "[list] patch 3/7: fix overflow", "=?utf-8?q?broken", "B U Y  N O W", "Rolex replica watches 80% OFF",
            "Verify your account now", "meeting tomorrow at 10?", "re: V1agra c1al1s")
TEXTS = (
    "Dear friend,\n\nI am the widow of the late General and I have the sum of US$21,500,000 deposited in a bank. I need your assistance "
    "to transfer this fund out of the country. You will be given 20% of the total sum. Please send your full name, address, telephone number and bank "
    "account.\n\nThis transaction is 100% confidential and risk free.\n\nBest regards,\nMrs. Mariam\n",
    "Hi,\n\nplease find the minutes attached. We meet again on Thursday at 10:00.\n\nCheers\nTom\n-- \nTom Example\nTel: +44 20 7946 0000\n",
    "CLICK HERE TO CLAIM YOUR PRIZE\n\nCongratulations! You have been selected as a winner. Act now, limited time offer, no obligation, 100% free, money back guarantee!!!\n\n"
    "To unsubscribe from this list reply with REMOVE in the subject line.\n",
    "Buy cheap Viagra, Cialis, Xanax and Valium online. No prescription needed. Overnight shipping. V.i.a.g.r.a from $1.99 per dose. C1AL1S too.\n",
    "Your account has been suspended. Please log in and verify your account information within 24 hours or it will be closed.\nSincerely,\nSecurity Department\n",
    "> On Monday Bob wrote:\n> > I think so too.\n>\n> Me as well: diff --git a/x b/x\n\n+int main(void) { return 0; }\n-int main() {}\n\nDone.\n",
    "I know your password is hunter2. I recorded a video of you through your webcam while you visited adult sites. Send $900 in Bitcoin to 1BvBMSEYstWetqTFn5Au4m4GFg7xJaNVN2 "
    "within 48 hours or I send it to all your contacts.\n",
    "Your mortgage application was approved! Refinance now at 3.25% - lowest rates, bad credit OK. Consolidate your debts, save up to 60% on your monthly payments.\n",
    "Name: Jane\nCompany: ACME\nTarget price: $4.50\nCurrent price: $0.85\nSymbol: ACMX\nThis stock is about to explode, big news expected, STRONG BUY!\n",
    "Work from home! Earn $5000 per week, be your own boss, no experience required. Multi level marketing is NOT what this is. Opt-in list, you received this e-mail because you registered.\n",
    "Grüße aus Köln: Äpfel, Öl, Übermut und Straße. Preis: 12,50 € (statt 20 £).\n", "Здравствуйте! Предлагаем вам выгодный кредит без справок и поручителей. Звоните сегодня.\n",
    "こんにちは。会議は明日の午前十時です。よろしくお願いします。\n", "x\n", "\n", "A" * 300 + " " + "b c " * 900 + "\n", "e " * 400 + "é è ê ë ē \n" * 20,
)
URLS = ("http://www.example.com/", "https://example.org/a/b?c=d&e=f#g", "HTTP://EXAMPLE.COM:8080/x.php?id=1", "http://192.0.2.10/login.html", "http://3221226000/x",
        "http://0xC0.0x00.0x02.0x0A/", "http://user:pw@example.net/", "http://www.paypal.com@evil.example.biz/", "http://%65xample.com/%2e%2e/", "www.example.info", "example.biz/deal",
        "ftp://ftp.example.org/pub/", "mailto:anna@example.org?subject=hi", "https://www.google.com/url?q=http://spam.example.ru/x&sa=D", "http://rd.yahoo.com/x/*http://target.example.com/",
        "http://bit.ly/abc123", "http://xn--bcher-kva.example/", "http://bücher.example/", "https://docs.google.com/forms/d/e/1FAI/viewform", "http://a.b.c.d.e.example.co.uk/path/very/long/" + "x" * 120,
        "http://example.com/?url=http%3A%2F%2Fother.example.org%2F", "javascript:alert(1)", "http://evil.example.pw/unsubscribe.php?u=" + "0123456789abcdef" * 3, "https://storage.googleapis.com/bucket/index.html",
        "http://www.example.com/image.gif", "//cdn.example.net/a.png", "cid:part1.0001@example.org", "http://1.2.3.4:81/cgi-bin/x.exe", "tel:+442079460000", "http://example..com/", "http://-bad-.example.com/")
HTML = (
    "<p>{text}</p><a href=\"{url}\">Click here</a>", "<font color=white>{text}</font><b>Buy</b> <a href='{url}'>{url2}</a>",
    "<div style=\"display:none\">{text}</div><span style='font-size:1px;color:#fffffe'>hidden words</span><a href={url}>x</a>",
    "<table bgcolor=\"#FF0000\" width=100%><tr><td><img src=\"{url}\" width=600 height=400></td></tr></table>{text}", "V<!-- x -->i<b></b>a<i>g</i>ra ch<xyz>eap {text}<a href=\"{url}\">here</a>",
    "<form action=\"{url}\" method=post><input type=text name=password><input type=submit></form>{text}", "<base href=\"http://base.example.com/dir/\"><a href=\"rel/page.html\">{text}</a><img src=\"{url}\">",
    "<script>document.write(unescape('%3Cb%3E'));</script><iframe src=\"{url}\"></iframe>{text}", "<meta http-equiv=refresh content=\"0;url={url}\"><title>{text}</title>", "&lt;b&gt; &amp; &nbsp;&eacute;&#x41;&#65;&#1234;&bogus; {text} <a href=\"&#104;ttp://ent.example.org/\">e</a>",
    "<map name=m><area href=\"{url}\"></map><img usemap=#m src=\"cid:x\">{text}", "<h1>{text}</h1><hr><ul><li>1<li>2</ul><a href=\"{url}\"><img src=\"{url2}\"></a>", "<a href=\"{url}\"\n title='a>b'>{text}</a\n><br/><center><big><font size=+3 color=red>SALE</font></big></center>",
    "<style>.a{{display:none}}</style><p class=a>{text}</p><!DOCTYPE html><body bgcolor=black text=black><font color=\"black\">x</font>", "<a href=\"{url}\">http://www.paypal.com/</a> {text} <blink>!</blink><marquee>", "<html><body>{text}",
)
CHARSETS = ("us-ascii", "utf-8", "UTF-8", "iso-8859-1", "windows-1252", "iso-8859-15", "koi8-r", "windows-1251", "iso-2022-jp", "shift_jis", "euc-jp", "gb2312", "big5", "utf-16le", "utf-7", "x-unknown", "")
MAILERS = ("Microsoft Outlook Express 6.00.2900.2180", "Microsoft Outlook, Build 10.0.2616", "The Bat! (v2.00.9) Personal", "PHPMailer 5.2.9", "Mozilla Thunderbird 1.0 (X11)", "QUALCOMM Windows Eudora Version 5.1", "AOL 9.0 for Windows", "Apple Mail (2.3445.9.1)", "MIME-tools 5.503", "Internet Mail Service (5.5.2653.19)")
RECEIVED = ("from mail.example.org (mail.example.org [198.51.100.7]) by mx.example.net (Postfix) with ESMTP id 4AB12C for <u@example.net>; {date}", "from [192.0.2.44] (helo=friend) by mx.example.net with smtp (Exim 4.92) id 1abcde-0001Ab-2c; {date}",
            "from unknown (HELO 203.0.113.9) (203.0.113.9) by mx.example.net with SMTP; {date}", "from hotmail.com ([198.51.100.200]) by mx.example.net (8.14.4/8.14.4) with SMTP id x12; {date}", "by 10.1.2.3 with SMTP id a1; {date}",
            "from localhost (localhost [127.0.0.1]) by mail.example.org (Postfix) with ESMTP id 1; {date}", "from dsl-203-0-113-77.dynamic.example.com (dsl-203-0-113-77.dynamic.example.com [203.0.113.77]) by mail.example.org with ESMTPA id q; {date}",
            "(qmail 1234 invoked by uid 0); {date}", "from example.com (may be forged [198.51.100.3]) by relay (8.9.3) with SMTP id AAA; {date}")
DATES = ("Mon, 02 Sep 2024 10:00:00 +0000", "Tue, 3 Sep 2024 11:22:33 -0700 (PDT)", "Thu, 01 Jan 1970 00:00:00 +0000", "Fri, 31 Dec 2037 23:59:59 +0100", "2024-09-02 10:00:00", "Mon, 02 Sep 2024 10:00:00 GMT", "not a date")
OTHER = ("X-Priority: 1 (Highest)", "X-MSMail-Priority: High", "X-MimeOLE: Produced By Microsoft MimeOLE V6.00.2900.2180", "List-Unsubscribe: <mailto:u@example.org>, <http://example.org/u>", "Precedence: bulk", "X-Originating-IP: [203.0.113.5]", "In-Reply-To: <1234@example.org>",
         "References: <a@example.org> <b@example.org>", "Reply-To: <other@gmail.com>", "Sender: list-admin@example.org", "Return-Path: <bounce-123@mail.example.com>", "DKIM-Signature: v=1; a=rsa-sha256; d=signer.example.com; s=s; h=from; bh=x; b=y", "X-Spam-Status: No", "Importance: high",
         "Organization: ACME", "X-Mailer-Version: 1", "Auto-Submitted: auto-generated", "X-PHP-Originating-Script: 0:mail.php", "Errors-To: e@example.org", "Thread-Index: AcABCDEF", "User-Agent: Mutt/1.5.21 (2010-09-15)", "Disposition-Notification-To: a@example.org", "X-UID: 17", "Content-Language: en-US",
         "Subject: a second subject", "X-Long: " + "word " * 300, "Bad Header Line Without Colon", "X-8bit: caf\u00e9")
FILES = (("application/zip", "invoice.zip", b"PK\3\4" + bytes(60)), ("application/octet-stream", "setup.exe", b"MZ\x90\0" + bytes(80)), ("application/pdf", "doc.pdf", b"%PDF-1.4\n1 0 obj\n<<>>\nendobj\n"), ("image/gif", "a.gif", b"GIF89a\x90\x01\x2c\x01\x80\0\0" + bytes(40) + b";"),
         ("image/png", "b.png", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\1\x40\0\0\0\xf0\x08\2\0\0\0" + bytes(30)), ("image/jpeg", "c.jpg", b"\xff\xd8\xff\xe0\0\x10JFIF\0\1\1\0\0\1\0\1\0\0\xff\xc0\0\x11\x08\1\x00\1\x40\3" + bytes(20)), ("text/calendar", "m.ics", b"BEGIN:VCALENDAR\nEND:VCALENDAR\n"), ("text/x-vcard", "v.vcf", b"BEGIN:VCARD\nEND:VCARD\n"),
         ("text/plain", "notes.txt", b"some notes\nhttp://attached.example.org/\n"), ("text/html", "page.html", b"<html><a href='http://html-file.example.org/'>x</a></html>"), ("application/msword", "cv.doc.scr", b"\xd0\xcf\x11\xe0" + bytes(50)), ("application/x-gzip", "t.tar.gz", b"\x1f\x8b\x08" + bytes(30)), ("", "nothing.bin", b"\0\1\2"))


def word(rng, text):
    """A field's value, perhaps as an encoded word."""
    how = rng.randrange(5)
    if text.isascii() and how:
        return text
    if how == 1 and all(ord(c) < 256 for c in text):
        return f"=?iso-8859-1?B?{base64.b64encode(text.encode('latin-1')).decode()}?="
    if how == 2:
        return text
    if how == 3:
        return f"=?UTF-8?B?{base64.b64encode(text.encode()).decode()}?="
    return "=?utf-8?Q?" + "".join(chr(b) if chr(b).isalnum() and b < 128 else f"={b:02X}" for b in text.encode()) + "?="


def encode(rng, text, charset):
    if charset in ("", "x-unknown", "us-ascii"):
        octets = text.encode("utf-8" if rng.randrange(2) else "latin-1", "replace")
    else:
        octets = text.encode(charset, "replace")
    how = rng.choice(("7bit", "8bit", "quoted-printable", "base64", "", "BASE64", "x-odd"))
    if charset == "utf-16le":
        how = "base64"
    if how == "quoted-printable":
        return how, quopri.encodestring(octets)
    if how.lower() == "base64":
        return how, base64.encodebytes(octets)
    return how, octets


def entity(fields, body):
    return "".join(f + "\n" for f in fields if f).encode() + b"\n" + body


def text_part(rng, is_html):
    text = rng.choice(TEXTS)
    for _ in range(rng.randrange(4)):
        text += rng.choice((" ", "\n", "<", "(")) + rng.choice(URLS) + rng.choice((" ", "\n", ".\n", ">\n", ")\n"))
    if is_html:
        pieces = rng.sample(HTML, rng.randrange(1, 4))
        text = "".join(p.format(text=rng.choice(TEXTS) if i else text, url=rng.choice(URLS), url2=rng.choice(URLS)) + "\n" for i, p in enumerate(pieces))
    charset = rng.choice(CHARSETS)
    how, body = encode(rng, text, charset)
    kind = "text/html" if is_html else rng.choice(("text/plain", "text/plain", "TEXT/PLAIN", "text/enriched"))
    quote = '"' if rng.randrange(2) else ""
    return [f"Content-Type: {kind}" + (f"; charset={quote}{charset}{quote}" if charset else ""),
            f"Content-Transfer-Encoding: {how}" if how else ""], body


def file_part(rng):
    kind, name, octets = rng.choice(FILES)
    how = rng.choice((f'; name="{name}"', f"; name={name}", ""))
    fields = [f"Content-Type: {kind}{how}" if kind else "", "Content-Transfer-Encoding: base64",
              rng.choice(("", f'Content-Disposition: attachment; filename="{name}"', "Content-Disposition: inline", f"Content-Disposition: attachment; filename*=utf-8''{name}")),
              rng.choice(("", "Content-ID: <part1.0001@example.org>"))]
    return fields, base64.encodebytes(octets)


def multipart(rng, depth):
    kind = rng.choice(("mixed", "alternative", "related", "alternative", "report; report-type=delivery-status", "digest"))
    boundary = rng.choice(("b1", "----=_NextPart_000_001C_01C2", "=-abc==", "000000000000abcdef", "a b c")) + (str(depth) if depth else "")
    parts = []
    if kind == "alternative":
        parts = [text_part(rng, False), text_part(rng, True)]
    for _ in range(rng.randrange(1, 3)):
        parts.append(part(rng, depth + 1))
    wrong = rng.randrange(10) # what is wrong with it; most are right
    body = b"This is a multi-part message in MIME format.\n" if rng.randrange(3) else b""
    for fields, octets in parts:
        body += b"\n--" + boundary.encode() + b"\n" if wrong != 1 else b"\n--nothing\n"
        body += octets if wrong == 2 else entity(fields, octets)
    if wrong != 3:
        body += b"\n--" + boundary.encode() + b"--\n"
    if wrong == 4:
        body += b"an epilogue with http://epilogue.example.org/\n"
    return [f'Content-Type: multipart/{kind}; boundary="{boundary}"'], body


def part(rng, depth):
    how = rng.randrange(10)
    if how < 3 or depth > 3:
        return text_part(rng, False)
    if how < 5:
        return text_part(rng, True)
    if how < 7:
        return file_part(rng)
    if how == 7:
        fields, body = part(rng, depth + 1)
        return ["Content-Type: message/rfc822"], entity(["From: inner@example.org", "Subject: inner " + rng.choice(SUBJECTS)] + fields, body)
    return multipart(rng, depth)


def make(number):
    """The octets of one mail."""
    rng = random.Random(number)
    date = rng.choice(DATES[:2])
    address = rng.choice(ADDRESSES)
    fields = ["Received: " + r.format(date=date) for r in rng.sample(RECEIVED, rng.randrange(0, 4))]
    fields += [f"From: {word(rng, rng.choice(NAMES))} <{address}>" if rng.randrange(4) else f"From: {address}",
               "To: " + ", ".join(f"<{a}>" for a in rng.sample(ADDRESSES, rng.randrange(1, 5))) if rng.randrange(8) else "",
               f"Cc: {rng.choice(ADDRESSES)}" if not rng.randrange(4) else "",
               f"Subject: {word(rng, rng.choice(SUBJECTS))}" if rng.randrange(12) else "",
               f"Date: {date if rng.randrange(3) else rng.choice(DATES)}" if rng.randrange(10) else "",
               rng.choice(("Message-ID: <20240902100000.12345@mail.example.org>", "Message-ID: <000001c2a1b2$c3d4e5f6$0a0b0c0d@example>", "Message-ID: <abc>", "", "Message-Id: <CA+x=y@mail.gmail.com>")),
               "MIME-Version: 1.0" if rng.randrange(5) else "", f"X-Mailer: {rng.choice(MAILERS)}" if rng.randrange(2) else ""]
    fields += rng.sample(OTHER, rng.randrange(0, 6))
    rng.shuffle(fields)
    more, body = part(rng, 0) if rng.randrange(3) else multipart(rng, 0)
    return entity(fields + more, body)


def write(folder, count=COUNT):
    """Writes them below the folder; -> their names."""
    names = [f"made-{i:03}.eml" for i in range(count)]
    for i, name in enumerate(names):
        with open(os.path.join(folder, name), "wb") as f:
            f.write(make(i))
    return names


if __name__ == "__main__":
    os.makedirs(sys.argv[1], exist_ok=True)
    write(sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else COUNT)
