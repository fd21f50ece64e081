/* compile_text: what patterns are timed on. Ordinary sentences of mail, written for this, and shuffles of their words:
 * about 24 kB, enough to tell a rule that is cheap from one that is dear, not to tell two cheap ones apart. */
#include "scan/compile.h"

const char *const compile_text[] = {
    "Hello everybody, the meeting on Tuesday has been moved to 3 pm because the large room is taken u"
    "ntil then."
    "\n",
    "Thank you for your order. Your parcel was handed to the carrier today and should arrive within t"
    "wo to four working days."
    "\n",
    "On Mon, Oct 7, 2024 at 10:12 AM Anna wrote: I think we should wait for the second review before "
    "we merge this branch."
    "\n",
    "Please find attached the minutes of our last call and the updated figures for the third quarter."
    "\n",
    "If you no longer wish to receive these emails you can unsubscribe at any time by clicking the li"
    "nk at the bottom of this page."
    "\n",
    "> I tried the new version on my laptop and the build fails with an undefined reference to the in"
    "it function."
    "\n",
    "> Could you send me the complete output of make, and the version of the compiler that you are us"
    "ing?"
    "\n",
    "This message was sent from a notification-only address that cannot accept incoming email. Please"
    " do not reply to this message."
    "\n",
    "We are pleased to offer all our customers a discount of 20% on selected products until the end o"
    "f the month."
    "\n",
    "The server will be down for maintenance on Saturday between 22:00 and 02:00; mail will be queued"
    " and delivered afterwards."
    "\n",
    "Dear Sir or Madam, I am writing to ask about the flat that you advertise on your web site: is it"
    " still free in July?"
    "\n",
    "Your account statement for September is now available online. Log in to view your balance and yo"
    "ur recent transactions."
    "\n",
    "Has anybody seen the keys of the red bicycle? I left them on the kitchen table yesterday evening"
    " and they are gone."
    "\n",
    "The patch below fixes the crash when the list is empty; tested on amd64 and arm64, no change in "
    "the benchmark."
    "\n",
    "int main(int argc, char **argv) { return argc > 1 ? run(argv[1]) : usage(argv[0]); }"
    "\n",
    "Best regards, Maria Lopez, Sales Department, phone +44 20 7946 0991, http://www.example.com/cont"
    "act.html"
    "\n",
    "You have won nothing at all, but you are invited to the summer party of the club; bring a friend"
    " and something to drink."
    "\n",
    "Free shipping on all orders over $50, no code needed. Shop now and save on shoes, shirts, bags a"
    "nd more."
    "\n",
    "In reply to your question: yes, the insurance covers the damage, but we need the invoice and two"
    " photographs."
    "\n",
    "The weather in the mountains was wonderful, we walked for six hours and saw an eagle, three goat"
    "s and no other people."
    "\n",
    "_______________________________________________ users mailing list users@lists.example.org https"
    "://lists.example.org/users"
    "\n",
    "Subject: Re: [dev] release candidate 2 - please test and report problems by Friday noon"
    "\n",
    "--=20 Sent from my phone, please excuse the brevity and any typing mistakes that it may have mad"
    "e for me."
    "\n",
    "I would be happy to discuss the offer in detail. Are you available for a call next week, perhaps"
    " Wednesday morning?"
    "\n",
    "The committee decided to postpone the vote; a new date will be announced as soon as the document"
    "s are complete."
    "\n",
    "This email and any files transmitted with it are confidential and intended solely for the use of"
    " the individual to whom they are addressed."
    "\n",
    "Click here to confirm your registration. The link is valid for 24 hours. If you did not register"
    ", just ignore this mail."
    "\n",
    "1. Open the settings. 2. Choose the account. 3. Enter the new password twice. 4. Press save and "
    "sign in again."
    "\n",
    "Our records show that invoice 10482 over EUR 1,249.00 is due. If you have paid it in the meantim"
    "e, please disregard this notice."
    "\n",
    "My grandmother used to bake this cake with almonds and a little lemon; the recipe is on the back"
    " of the old calendar."
    "\n",
    "address that cannot accept incoming email. Please do not reply to this message. We are pleased t"
    "o offer all our customers a discount of 20% on selected products other people. _________________"
    "______________________________ users"
    "\n",
    "4. Press save and sign in again. Our records show that invoice any time by clicking the link at "
    "the bottom of this page. I tried"
    "\n",
    "second review before we merge this branch. Please find attached the minutes of our last call and"
    " the updated figures for the third quarter. If you no longer wish to receive these emails you ca"
    "n unsubscribe at any time by clicking the link at the link is valid for 24 hours. If you did"
    "\n",
    "to receive these emails you can unsubscribe at any time made for me. I would be happy to discuss"
    " the offer in detail. Are you available"
    "\n",
    "your balance and your recent transactions. Has anybody seen the keys of you can unsubscribe at a"
    "ny time by clicking the link at the bottom of this page."
    "\n",
    "grandmother used to bake this cake with almonds and a little init function. Could you send me th"
    "e complete output of"
    "\n",
    "merge this branch. Please find attached the minutes of our last call and the updated figures for"
    " the third quarter. If you no longer wish to receive these emails you can unsubscribe at any tim"
    "e by clicking the link at the bottom of this page. I tried the _________________________________"
    "______________ users mailing list"
    "\n",
    "at 10:12 AM Anna wrote: I think we should wait for the second review before we merge this branch"
    ". Please find attached it in the meantime, please disregard this"
    "\n",
    "from my phone, please excuse the brevity and any typing mistakes that it may have made for me. I"
    " would be happy to discuss the offer This message was sent from a"
    "\n",
    "phone +44 20 7946 0991, http://www.example.com/contact.html You have won nothing at all, but you"
    " are invited to the summer party of the club; bring a friend and something to drink. Free shippi"
    "ng on all orders over $50, no code needed. Shop now and save meantime, please disregard this not"
    "ice. My grandmother used"
    "\n",
    "cake with almonds and a little lemon; the recipe is on the back of down for maintenance on Satur"
    "day between 22:00 and 02:00; mail will be queued and"
    "\n",
    "10482 over EUR 1,249.00 is due. If you have paid it in the meantime, this branch. Please find"
    "\n",
    "or Madam, I am writing to ask about the flat that you advertise on your web site: is it still fr"
    "ee in July? Your account statement for September is now available online. Log in to view your ba"
    "lance and your recent transactions. Has anybody seen the keys whom they are addressed. Click her"
    "e to confirm your registration. The link is valid for 24"
    "\n",
    "You have won nothing at all, but you are invited to the summer party of the club; bring a friend"
    " and something to drink. Free shipping on all orders over $50, no code needed. Shop now and save"
    " on shoes, shirts, bags and more. In reply to your question: yes, the insurance covers the damag"
    "e, but we new date will be announced as soon as the documents are complete. This email and any f"
    "iles"
    "\n",
    ": usage(argv[0]); } Best regards, Maria Lopez, Sales Department, phone +44 20 7946 0991, http://"
    "www.example.com/contact.html You have won nothing at all, but you are invited to the summer part"
    "y of the seen the keys of the red bicycle? I"
    "\n",
    "your recent transactions. Has anybody seen the keys of the red bicycle? I left them on the kitch"
    "en table yesterday evening and they are gone. The patch below fixes the crash when the list is e"
    "mpty; tested on amd64 and arm64, no change in the benchmark. int main(int argc, char **argv) { I"
    "f you no longer wish to receive these emails you can unsubscribe"
    "\n",
    "individual to whom they are addressed. Click here to confirm your registration. The link is vali"
    "d for 24 hours. If you did not register, just ignore this mail. 1. Open the settings. 2. Choose "
    "the account. 3. Enter the new password $50, no code needed. Shop now and save on shoes, shirts, "
    "bags and more. In reply to"
    "\n",
    "call and the updated figures for the third quarter. If you no longer wish to receive these email"
    "s you can unsubscribe at any time by clicking with an undefined reference to the init function. "
    "Could you send me the complete output of make, and the"
    "\n",
    "are pleased to offer all our customers a discount of 20% on selected products until the end of t"
    "he month. The server will be down for maintenance on Saturday between 22:00 and 02:00; mail over"
    " $50, no code needed. Shop now"
    "\n",
    "phone, please excuse the brevity and any typing mistakes that it may have made for me. I would b"
    "e happy to discuss the offer in detail. Are you available for a call next week, perhaps Wednesda"
    "y morning? The committee working days. On Mon, Oct"
    "\n",
    "You have won nothing at all, but you are invited to the summer party of the club; bring a friend"
    " and something to drink. Free shipping on all orders over $50, no code needed. Shop now and save"
    " on shoes, shirts, bags and more. In reply to your question: yes, the insurance covers the damag"
    "e, but all orders over $50, no code needed. Shop now and save on shoes, shirts,"
    "\n",
    "whom they are addressed. Click here to confirm your registration. The link is valid for 24 hours"
    ". If you did not register, just ignore this mail. 1. Open the settings. 2. Choose the account. 3"
    ". Enter the new password twice. 4. Press save and sign in morning? The committee decided to"
    "\n",
    "below fixes the crash when the list is empty; tested on amd64 and documents are complete. This e"
    "mail"
    "\n",
    "20 7946 0991, http://www.example.com/contact.html You have won nothing at all, but detail. Are y"
    "ou available for a call next week, perhaps Wednesday morning?"
    "\n",
    "hours and saw an eagle, three goats and no other people. _______________________________________"
    "________ users mailing list users@lists.example.org https://lists.example.org/users Subject: Re:"
    " [dev] release candidate 2 - please test and report problems by Friday noon --=20 Sent from my p"
    "hone, please excuse the brevity and any typing mistakes that it may have made for me. I Shop now"
    " and"
    "\n",
    "and more. In reply to your question: yes, the insurance covers the damage, but we need the invoi"
    "ce and two photographs. The weather in the mountains was wonderful, we walked for six hours and "
    "saw an eagle, all our customers a discount of"
    "\n",
    "review before we merge this branch. Please find attached the minutes of our last call and the up"
    "dated figures for the third quarter. If you no longer wish to receive these emails you can unsub"
    "scribe at any time by on your web site: is it still free in July? Your account"
    "\n",
    "anybody seen the keys of the red bicycle? I left them on the kitchen table yesterday users maili"
    "ng list users@lists.example.org https://lists.example.org/users Subject: Re: [dev] release candi"
    "date 2 - please test and"
    "\n",
    "quarter. If you no longer wish to receive these emails you can unsubscribe at any time by clicki"
    "ng the link at the bottom of this page. I tried the new version on my laptop and the build fails"
    " with to offer all our customers a discount of 20% on selected products until the end of the"
    "\n",
    "EUR 1,249.00 is due. If you have paid it in the meantime, please disregard this notice. My grand"
    "mother used to bake this cake with almonds and a little lemon; the recipe is on empty; tested on"
    " amd64 and arm64, no"
    "\n",
    "that it may have made for me. I would be happy to discuss the offer in detail. Are you available"
    " for a call next week, perhaps Wednesday morning? The committee decided to postpone the vote; a "
    "new date will be announced as soon as the documents are complete. This email and any files trans"
    "mitted with it are confidential and intended 1,249.00 is due. If you have paid it in the meantim"
    "e,"
    "\n",
    "Friday noon --=20 Sent from my phone, please excuse the brevity and any typing mistakes that it "
    "may have made for me. I would be happy to discuss the offer in detail. Are you available for a c"
    "all next week, perhaps Wednesday morning? The committee decided to postpone the vote; a new date"
    " to your question: yes, the insurance covers the damage, but we need the invoice and"
    "\n",
    "address that cannot accept incoming email. Please do not reply to this message. We are pleased t"
    "o offer all our customers a you no longer wish to receive these emails"
    "\n",
    "September is now available online. Log in to view your balance and your recent transactions. Has"
    " anybody is now available"
    "\n",
    "the month. The server will be down for maintenance on Saturday between 22:00 and 02:00; mail wil"
    "l be queued and delivered afterwards. Dear Sir or Madam, I am writing to ask about the flat that"
    " you advertise on your evening and they are gone. The patch below fixes the crash when"
    "\n",
    "was sent from a notification-only address that cannot from my phone, please excuse the brevity a"
    "nd any typing mistakes that it may"
    "\n",
    "all, but you are invited to the summer party of the club; bring a friend and something to drink."
    " Free shipping on all orders over $50, no code needed. Shop now and save on shoes, shirts, bags "
    "and more. In reply to your question: yes, the insurance Could you send me the complete output of"
    " make, and the version of the compiler that you are using?"
    "\n",
    "should wait for the second review before we merge this branch. Please find attached the minutes "
    "of our last call and the updated figures for the third quarter. If you no longer wish to receive"
    " these emails you can unsubscribe at any time by clicking the link morning? The committee decide"
    "d to postpone the vote; a new date will be announced as"
    "\n",
    "mailing list users@lists.example.org https://lists.example.org/users Subject: Re: [dev] release "
    "candidate 2 - please test and report problems by Friday noon --=20 Sent from my phone, please ex"
    "cuse the brevity and any typing mistakes that no other people. _________________________________"
    "______________ users mailing"
    "\n",
    "users@lists.example.org https://lists.example.org/users Subject: Re: [dev] release candidate 2 -"
    " please test and report problems by Friday noon --=20 Sent from my phone, please excuse the brev"
    "ity and any typing mistakes that it may have made for me. I merge this branch. Please find attac"
    "hed the minutes of"
    "\n",
    "am writing to ask about the flat that you advertise on your to discuss the offer in detail. Are "
    "you"
    "\n",
    "all orders over $50, no code needed. Shop now and save on shoes, shirts, bags think we should wa"
    "it for the"
    "\n",
    "used to bake this cake with almonds and address that cannot accept incoming email."
    "\n",
    "parcel was handed to the carrier today and should arrive within two to four working days. On Mon"
    ", Oct 7, 2024 at 10:12 AM Anna wrote: I think we should wait our last call and the updated figur"
    "es for the"
    "\n",
    "weather in the mountains was wonderful, we walked for six hours and saw an eagle, three goats an"
    "d no other people. _______________________________________________ users mailing list users@list"
    "s.example.org https://lists.example.org/users Subject: Re: [dev] release candidate 2 - please te"
    "st and report problems by Friday noon --=20 Sent from my phone, a notification-only address that"
    " cannot accept incoming email. Please do not"
    "\n",
    "insurance covers the damage, but we need the invoice and two photographs. The weather in the mou"
    "ntains was wonderful, we walked for six hours and saw an eagle, three goats documents are comple"
    "te. This email and"
    "\n",
    "intended solely for the use of the individual to whom they are addressed. Click here date will b"
    "e announced as soon as the documents are complete. This email and any files transmitted with"
    "\n",
    "0991, http://www.example.com/contact.html You have won nothing at all, but you are invited to th"
    "e summer party of the club; bring a friend and something to drink. Free shipping on all orders o"
    "ver $50, no code needed. Shop now wish to receive these emails you can"
    "\n",
    "over $50, no code needed. Shop now and save on shoes, shirts, bags and they are gone. The patch "
    "below fixes the crash when the list is empty; tested on amd64 and"
    "\n",
    "this message. We are pleased to offer all our customers a discount of 20% on selected products u"
    "ntil the end of the month. The server will be down for maintenance on Saturday between 22:00 and"
    " 02:00; mail will be queued and delivered afterwards. Dear Sir or Madam, I am writing to ask not"
    " register, just"
    "\n",
    "the account. 3. Enter the new password twice. 4. Press save and sign in again. Our records show "
    "that invoice 10482 yes, the insurance covers the damage, but"
    "\n",
    "was handed to the carrier today and should arrive within two to four working days. On Mon, Oct 7"
    ", 2024 at 10:12 AM Anna wrote: I think we should wait for the second review before we merge this"
    " branch. Please find attached the minutes of our last call and the updated figures the account. "
    "3. Enter the new password twice. 4. Press save and"
    "\n",
    "can unsubscribe at any time by clicking the link at the bottom of this page. I tried the new ver"
    "sion on my laptop and the build fails with an undefined reference to the init function. Could yo"
    "u send me the complete output of make, and the version of the table yesterday evening and they a"
    "re gone. The patch below fixes the crash when the list is empty; tested"
    "\n",
    "offer all our customers a discount of 20% on selected products until the end of the month. The s"
    "erver will be down for maintenance on Saturday between 22:00 and 02:00; mail more. In reply to y"
    "our question: yes, the insurance covers"
    "\n",
    "again. Our records show that invoice 10482 over EUR 1,249.00 is due. If you have paid it in the "
    "meantime, please disregard this notice. My grandmother used to bake this cake with almonds and a"
    " little lemon; the recipe is on the to confirm your registration. The link is valid for 24 hours"
    ". If you"
    "\n",
    "it still free in July? Your account statement for September is now available online. Log in to v"
    "iew your balance and your recent transactions. Has anybody seen the keys of the red bicycle? I l"
    "eft them on the kitchen table yesterday evening and they are gone. The patch and 02:00; mail wil"
    "l be queued and delivered afterwards. Dear"
    "\n",
    "users@lists.example.org https://lists.example.org/users Subject: Re: [dev] release candidate 2 -"
    " please test and report problems by Friday noon --=20 Sent from my phone, please excuse the brev"
    "ity and any typing mistakes that it may have made for me. I would be happy to discuss the offer "
    "in detail. Are you available for a call next week, perhaps Wednesday morning? The committee July"
    "? Your account statement for September is now available"
    "\n",
    "of the individual to whom they are addressed. Click here to confirm your registration. The link "
    "is valid for 24 hours. If you did not register, just ignore this mail. 1. Open the settings. 2. "
    "Choose the account. 3. Enter the more. In reply"
    "\n",
    "on amd64 and arm64, no change in the benchmark. as the documents are complete. This email and an"
    "y files transmitted"
    "\n",
    "no code needed. Shop now and save on shoes, shirts, bags and more. In reply to your question: ye"
    "s, the Are you available for a call next week, perhaps Wednesday morning? The committee decided"
    "\n",
    "quarter. If you no longer wish to receive these emails you can unsubscribe at any time by clicki"
    "ng the link at the bottom of this page. I tried the new version web site: is it still free"
    "\n",
    "as soon as the documents are complete. This email and any files transmitted with it are confiden"
    "tial and intended solely for the mail will be queued and delivered afterwards. Dear Sir or Madam"
    ", I am"
    "\n",
    "with it are confidential and intended solely for the use of the individual to whom they are addr"
    "essed. Click here to everybody, the meeting on Tuesday has been moved to 3 pm because the large "
    "room is taken until"
    "\n",
    "no code needed. Shop now and save on shoes, shirts, bags and more. In reply to your question: ye"
    "s, the insurance covers the damage, but we need the invoice and two photographs. The weather in "
    "the mountains was wonderful, we walked for six hours and saw an eagle, three longer wish to rece"
    "ive these emails"
    "\n",
    "queued and delivered afterwards. Dear Sir or Madam, I am writing to ask about the flat that you "
    "advertise on your web site: is it still free in July? Your account statement email and any files"
    " transmitted with it are"
    "\n",
    "friend and something to drink. Free shipping on all orders over $50, no code needed. Shop now an"
    "d save on shoes, shirts, bags and more. In reply to your question: yes, the insurance covers the"
    " to receive these emails you can unsubscribe at any time by clicking the link at"
    "\n",
    "https://lists.example.org/users Subject: Re: [dev] release candidate 2 - please test and report "
    "problems by Friday noon --=20 Sent from my phone, please excuse the brevity and any typing mista"
    "kes that it may have made for me. I longer wish to receive these emails you can"
    "\n",
    "send me the complete output of make, and the version of the compiler that you are using? This ha"
    "nded to the carrier today and should"
    "\n",
    "new date will be announced as soon as the documents are complete. This email and any files trans"
    "mitted with it are confidential and intended solely for the use of the individual to whom they a"
    "re addressed. Click here to confirm your registration. The link is was sent from a notification-"
    "only address that cannot accept incoming email. Please do not reply to this message."
    "\n",
    "save on shoes, shirts, bags and more. In reply to your question: yes, the insurance covers the d"
    "amage, but we need the invoice and two photographs. The weather in the mountains was wonderful, "
    "we walked for six hours and saw an eagle, three goats and no other people. _____________________"
    "__________________________ users email. Please do not reply to this"
    "\n",
    "large room is taken until then. Thank you for of this page. I tried the new version on my laptop"
    " and the build fails with an undefined reference"
    "\n",
    "compiler that you are using? This message was sent from a notification-only address that cannot "
    "accept incoming email. Please do not reply to this message. We are pleased to offer all our cust"
    "omers a discount of 20% on selected products until the end of the month. The server will be down"
    " for maintenance on Saturday made for me. I would be happy to discuss"
    "\n",
    "ask about the flat that you advertise on your web site: is it still free in July? Your account s"
    "tatement for September is now available online. Log in to view your balance and your recent tran"
    "sactions. Has anybody seen the keys of the red bicycle? I left them on the kitchen table yesterd"
    "ay evening and they are gone. The patch handed to the carrier today and should arrive within two"
    " to"
    "\n",
    "**argv) { return argc 1 ? run(argv[1]) : usage(argv[0]); } Best regards, Maria Lopez, Sales Depa"
    "rtment, phone +44 20 7946 0991, here to confirm your registration. The link is valid for"
    "\n",
    "summer party of the club; bring a friend and something to drink. Free shipping on all orders ove"
    "r $50, no code needed. Shop now and save on shoes, shirts, bags and more. In reply to your quest"
    "ion: yes, the insurance covers the damage, but we need the invoice and two photographs. The weat"
    "her in the mountains the kitchen table yesterday evening and they are gone. The patch below fixe"
    "s the crash when"
    "\n",
    "we merge this branch. Please find attached the minutes of our last call and the updated bags and"
    " more. In reply to your question: yes, the insurance covers the damage, but we need"
    "\n",
    "register, just ignore this mail. 1. Open the settings. 2. Choose the account. 3. Enter the new p"
    "assword twice. 4. Press save and sign in again. Our records show that invoice 10482 over EUR 1,2"
    "49.00 is due. If you have paid it in the meantime, please disregard this notice. My my phone, pl"
    "ease excuse the brevity and any typing mistakes that it may have made for me. I would"
    "\n",
    "the new password twice. 4. Press save and sign in again. Our records show that invoice that cann"
    "ot accept incoming email. Please do not reply to this message. We are pleased to offer all our"
    "\n",
    "then. Thank you for your order. Your parcel was handed to the carrier today and should arrive wi"
    "thin two to four working days. On Mon, Oct 7, 2024 at 10:12 AM Anna wrote: I think we should wai"
    "t for the happy to discuss the offer in detail. Are"
    "\n",
    "on Tuesday has been moved to 3 pm because the large room is taken until then. Thank you for your"
    " order. Your parcel was handed to the carrier today and should arrive within two to four working"
    " days. On Mon, Oct 7, 2024 at 10:12 AM notification-only address that cannot accept incoming ema"
    "il. Please"
    "\n",
    "the documents are complete. This email and any files transmitted with it are confidential and in"
    "tended solely reference to the init"
    "\n",
    "just ignore this mail. 1. Open the settings. 2. Choose the account. 3. Enter the new password tw"
    "ice. 4. Press save and sign in again. Our records show Enter the new password twice. 4. Press sa"
    "ve and sign in again. Our records show that invoice 10482"
    "\n",
    "I tried the new version on my laptop and the build fails with an undefined reference to the init"
    " function. Could you send me the complete output of make, and the version of the compiler that y"
    "ou are using? This message was sent from a notification-only address that cannot accept incoming"
    " email. Please do not reply to this meantime, please disregard this"
    "\n",
    "on Saturday between 22:00 and 02:00; mail will be queued and delivered afterwards. Dear Sir or M"
    "adam, I am writing to ask about is empty; tested on"
    "\n",
};

const size_t compile_text_cnt = sizeof(compile_text) / sizeof(*compile_text);
