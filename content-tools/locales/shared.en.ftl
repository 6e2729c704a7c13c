### What all programs say, in English.

error = error: { $text }
error-other = { $detail }

## Wrong usage; in English clap says this itself, so these only mirror it.
usage-unknown-argument = there is no argument '{ $found }'
usage-unknown-command = there is no command '{ $found }'
usage-near = ; did you mean { $near }?
usage-missing = missing: { $missing }
usage-missing-command = a command is missing: { $known }
usage-conflict = '{ $found }' cannot be used together with { $other }
usage-no-value = { $argument } needs a value
usage-value = '{ $found }' is no value for { $argument }: { $expected }
usage-other = { $detail }
usage-line = Usage: { $usage }
usage-see-help = For more, add --help.

## About the files that are packed
notice-not-faststart = players must fetch the end of this film before they can begin: ffmpeg -i IN -c copy -movflags +faststart OUT
notice-not-h264 = its video is { $detail }, which many classroom computers cannot play; H.264 plays everywhere
notice-not-aac = its sound is { $detail }, which some browsers cannot play; AAC plays everywhere
notice-not-mp4 = browsers may not play { $detail }; MP4 with H.264 and AAC plays everywhere
notice-mp4-unreadable = this film has no readable index and will probably not play: was its recording or copying cut off?
notice-film-cut-short = the end of this film is missing: was its recording or copying cut off?
notice-plain-gzip = a compressed file cannot share chunks with its next version: publish it uncompressed, it is compressed on the way
notice-manifest-unreadable = the table of contents of this package cannot be read: titles and order come from file names
notice-id-number-in-name = the name holds what looks like an identity card number: rename it if it is a person's
notice-phone-in-name = the name holds what looks like a mobile number: rename it if it is a person's
notice-digits-in-name = the name holds a long number: rename it if it is a record number
notice-burned-in-unknown = BurnedInAnnotation (0028,0301) is missing, and pictures of this kind ({ $detail }) often show the patient's name: look at them
notice-dicom-tag = { $detail } is not empty
notice-dicom-id-number = { $detail } holds an identity card number
notice-dicom-document = it holds a document (0042,0011) that nobody has looked into: take it out and publish it as a file
notice-dicom-overlay = it lays something over its pictures { $detail }, which may be the patient's name: look at it
notice-dicom-burned-in = BurnedInAnnotation (0028,0301) is not NO: names may be seen in the pictures
notice-dicom-private = it has private tags, the first is { $detail }: nobody can say what they hold
notice-dicom-not-declared = de-identification is not declared: PatientIdentityRemoved (0012,0062) must be YES
notice-dicom-unreadable = this DICOM file cannot be checked: { $detail }
notice-dicom-name = the file's name holds { $detail }
notice-dicom-in-archive = it holds DICOM files, which cannot be checked inside an archive: unpack it
notice-not-looked-into = it was not looked into for medical pictures: { $detail }. Unpack it; where you know that it holds none, a consultation or care collection takes it with --unchecked
missed-too-much = there is too much in it
missed-too-deep = too many archives lie in one another
missed-encrypted = something in it is encrypted
missed-damaged = something in it is damaged
missed-unknown-format = it holds or is an archive in a format that is not read here
dicom-no-mark = it has no DICM mark
dicom-cut-short = it is cut short
dicom-malformed = it is malformed
dicom-big-endian = it is written big endian, which DICOM has retired
dicom-too-large = it is larger or deeper than a DICOM file may be
dicom-name-identity = an identity card number
dicom-name-patient = the patient's name or number
skipped-leftovers = { $count ->
    [one] left out: { $path }, which a system or program left there (--json says why)
   *[other] left out: { $count } files and folders that systems and programs left there, such as { $path } (--json says which and why)
}
skipped-more = left out: { $count } more

## Why something cannot be packed
name-fault = { $rule ->
    [encoding] its name is not UTF-8 (convmv turns old GBK names into it)
    [control] its name has a control character
    [long] its path has more than 1024 bytes, or a name in it more than 255
   *[other] its path begins with /, or has an empty part, `.` or `..` in it
}
unpack-fault = { $cause ->
    [empty] it holds no files, or is no tar archive
    [large] it holds more than 200 000 files or 256 GiB
    [link] its member '{ $member }' is a hard link to something that is not in the archive
    [sparse] its member '{ $member }' is a sparse file: pack it without --sparse
   *[broken] it cannot be read ({ $detail })
}
left-out = { $count ->
    [one] { $first } is left out: { skip-reason }
   *[other] { $count } files and folders are left out, such as { $first }: { skip-reason }
}
skip-reason = { $reason ->
    [link] a link, which is not followed
    [pipe] a named pipe
    [socket] a socket
    [device] a device
    [lock] left by an office program while a document is open
    [unfinished] a download that has not ended
    [version_control] kept by a version control program
   *[system] kept by an operating system
}

## What operating systems say
system-error = { $words } (system error { $number })
system-read-only = the disk or folder is read-only
system-no-space = the disk is full
system-permission = there is no right to
system-not-found = there is no such file or folder
system-exists = something of that name is there already
system-is-a-directory = it is a folder, not a file
system-not-a-directory = something in the path is no folder
system-links = there are too many hard links
system-name = that disk does not take the name, or it is too long
system-file-too-large = the file is larger than that disk's format allows
system-busy = it is in use
system-io = a read or write failed, the disk may be damaged
system-open-files = too many files are open
system-unplugged = the disk or device is gone
system-loop = links lead in a circle, or stand where none may be
system-address-in-use = the address or port is in use already
system-no-address = this machine has no such address
system-refused = nothing answers there
system-unreachable = there is no way to that network
system-timed-out = there was no answer
