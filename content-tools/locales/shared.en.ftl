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
skip-link = a link, which is not followed
skip-pipe = a named pipe
skip-socket = a socket
skip-device = a device
skip-system = kept by an operating system
skip-lock = left by an office program while a document is open
skip-unfinished = a download that has not ended
skip-version-control = kept by a version control program
skipped-leftovers = { $count ->
    [one] left out: { $path }, which a system or program left there (--json says why)
   *[other] left out: { $count } files and folders that systems and programs left there, such as { $path } (--json says which and why)
}
skipped-more = left out: { $count } more
