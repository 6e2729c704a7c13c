//! Warnings and refusals: stable codes for programs, English texts for programs; for people the locales have them.
//!
//! What must stay true: a code never changes its name; lists are bounded, and say how many more there were.

mod spoken;

pub use spoken::said;

/// Most notices kept; the rest is counted. A hundred lines are what a person may read.
pub const NOTICES_MAX: usize = 100;

/// What was noticed about a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    /// Its path inside the collection.
    pub path: String,
    /// What it is.
    pub code: Code,
    /// A codec, a tag with its name, a format: never a value out of the file's metadata.
    pub detail: String,
}

/// Notices of one kind, in the order found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Notices {
    /// The first of them.
    pub list: Vec<Notice>,
    /// How many were not kept.
    pub more: u64,
}

impl Notices {
    pub(crate) fn add(&mut self, path: &str, code: Code, detail: &str) {
        if self.list.len() < NOTICES_MAX {
            self.list.push(Notice { path: path.into(), code, detail: detail.into() });
        } else {
            self.more += 1;
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }
}

macro_rules! codes {
    ($($(#[$doc:meta])* $code:ident $name:literal $text:literal;)*) => {
        /// What can be noticed. The names are a promise to programs.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Code { $($(#[$doc])* $code,)* }

        impl Code {
            /// All codes.
            pub const ALL: &'static [Code] = &[$(Code::$code),*];

            /// Its name in `--json`.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$code => $name,)* }
            }

            /// What it means, in English; `{}` stands for the detail.
            const fn pattern(self) -> &'static str {
                match self { $(Self::$code => $text,)* }
            }
        }
    };
}

codes! {
    /// The index of a film lies behind its pictures.
    NotFaststart "not_faststart" "players must fetch the end of this film before they can begin: `ffmpeg -i IN -c copy -movflags +faststart OUT`";
    /// A video codec that not every browser plays.
    NotH264 "not_h264" "its video is {}, which many classroom computers cannot play: H.264 plays everywhere";
    /// An audio codec that not every browser plays.
    NotAac "not_aac" "its sound is {}, which some browsers cannot play: AAC plays everywhere";
    /// A film in a container that browsers do not play.
    NotMp4 "not_mp4" "browsers may not play {}: MP4 with H.264 and AAC plays everywhere";
    /// An MP4 without a readable index.
    Mp4Unreadable "mp4_unreadable" "this film has no readable index and will probably not play: was its recording or copying cut off?";
    /// A film whose index names more than the file holds.
    FilmCutShort "film_cut_short" "the end of this film is missing: was its recording or copying cut off?";
    /// A compressed single file.
    PlainGzip "plain_gzip" "a compressed file cannot share chunks with its next version: publish the uncompressed file, it is compressed on the way";
    /// A course package whose table of contents cannot be read.
    ManifestUnreadable "manifest_unreadable" "the package's table of contents cannot be read: titles and order come from file names";
    /// A Chinese identity number in a path.
    IdNumberInName "id_number_in_name" "the name holds what looks like an identity card number: rename it if it is a person's";
    /// A mobile number in a path.
    PhoneInName "phone_in_name" "the name holds what looks like a mobile number: rename it if it is a person's";
    /// A long number in the name of a medical picture.
    DigitsInName "digits_in_name" "the name holds a long number: rename it if it is a record number";
    /// A kind of picture that often has names in it.
    BurnedInUnknown "burned_in_unknown" "BurnedInAnnotation (0028,0301) is missing, and pictures of this kind ({}) often show the patient's name: look at them";
    /// A patient tag that is not empty.
    DicomTag "dicom_tag" "{} is not empty";
    /// A person's number in free text.
    DicomIdNumber "dicom_id_number" "{} holds an identity card number";
    /// A document within a picture's file.
    DicomDocument "dicom_document" "it holds a document (0042,0011) that nobody has looked into: take it out and publish it as a file";
    /// Lettering that is laid over the pictures.
    DicomOverlay "dicom_overlay" "it lays something over its pictures {}, which may be the patient's name: look at it";
    /// The pictures show text about the patient.
    DicomBurnedIn "dicom_burned_in" "BurnedInAnnotation (0028,0301) is not NO: names may be seen in the pictures";
    /// Private tags.
    DicomPrivate "dicom_private" "it has private tags, the first is {}: nobody can say what they hold";
    /// Nobody has declared that it is de-identified.
    DicomNotDeclared "dicom_not_declared" "de-identification is not declared: PatientIdentityRemoved (0012,0062) must be YES";
    /// It cannot be checked.
    DicomUnreadable "dicom_unreadable" "this DICOM file cannot be checked ({})";
    /// The file's name gives the patient away.
    DicomName "dicom_name" "the file's name holds {}";
    /// DICOM inside an archive.
    DicomInArchive "dicom_in_archive" "it holds DICOM files, which cannot be checked inside an archive: unpack it";
    /// An archive of which nobody can say whether pictures are in it.
    NotLookedInto "not_looked_into" "it was not looked into for medical pictures ({}): unpack it; a consultation or care collection takes it with --unchecked";
}

impl Notice {
    /// What it means, in English, without the path.
    pub fn text(&self) -> String {
        self.code.pattern().replace("{}", &self.detail)
    }
}

impl std::fmt::Display for Notice {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.path, self.text())
    }
}
