### 各程序共用的中文文字。

error = 错误：{ $text }
error-other = { $detail }

## 用法错误
usage-unknown-argument = 没有“{ $found }”这个参数
usage-unknown-command = 没有“{ $found }”这个命令
usage-near = ；是不是 { $near }？
usage-missing = 缺少 { $missing }
usage-missing-command = 请给出命令：{ $known }
usage-conflict = “{ $found }”不能与 { $other } 同时使用
usage-no-value = { $argument } 后面需要一个值
usage-value = “{ $found }”不能用作 { $argument }：{ $expected }
usage-other = { $detail }
usage-line = 用法：{ $usage }
usage-see-help = 详细说明：加上 --help

## 打包的文件
notice-not-faststart = 播放器要先取到文件末尾才能开始播放，可用此命令处理：ffmpeg -i 原文件 -c copy -movflags +faststart 新文件
notice-not-h264 = 视频编码是 { $detail }，许多教室电脑放不了；H.264 到处都能放
notice-not-aac = 音频编码是 { $detail }，有些浏览器放不了；AAC 到处都能放
notice-not-mp4 = 浏览器可能放不了 { $detail }；用 H.264 和 AAC 的 MP4 到处都能放
notice-mp4-unreadable = 这个视频没有可读的索引，很可能放不出来：是不是录制或复制时中断了？
notice-film-cut-short = 这个视频缺少结尾：是不是录制或复制时中断了？
notice-plain-gzip = 压缩过的文件与下一版没有可共用的数据块：请发布未压缩的文件，传输时会自动压缩
notice-manifest-unreadable = 课件包的目录（imsmanifest.xml）读不出来：标题和顺序按文件名确定
notice-id-number-in-name = 文件名中有疑似身份证号的数字：如属个人信息，请改名
notice-phone-in-name = 文件名中有疑似手机号的数字：如属个人信息，请改名
notice-digits-in-name = 文件名中有一长串数字：如是病历号，请改名
notice-burned-in-unknown = 没有 BurnedInAnnotation (0028,0301)，而这类图像（{ $detail }）上常印有患者姓名：请逐一查看
notice-dicom-tag = { $detail } 不为空
notice-dicom-id-number = { $detail } 中有身份证号码
notice-dicom-document = 其中封装了一份文档 (0042,0011)，未经检查：请取出来作为单独的文件发布
notice-dicom-overlay = 图像上叠加有内容 { $detail }，可能是患者姓名：请逐一查看
notice-dicom-burned-in = BurnedInAnnotation (0028,0301) 不是 NO：图像上可能看得到姓名
notice-dicom-private = 含有私有标签，第一个是 { $detail }：无法知道其中写了什么
notice-dicom-not-declared = 没有声明已去除身份信息：PatientIdentityRemoved (0012,0062) 必须是 YES
notice-dicom-unreadable = 这个 DICOM 文件无法检查：{ $detail }
notice-dicom-name = 文件名中有{ $detail }
notice-dicom-in-archive = 其中有 DICOM 文件，压缩包内的无法检查：请先解压
notice-not-looked-into = 没有查看其中是否有医学图像：{ $detail }。请先解压；如确知其中没有，会诊和护理类内容集可加 --unchecked 发布
missed-too-much = 内容太多
missed-too-deep = 压缩包层层嵌套
missed-encrypted = 有加密的内容
missed-damaged = 有损坏的内容
missed-unknown-format = 含有或属于本程序读不了的压缩格式
dicom-no-mark = 没有 DICM 标记
dicom-cut-short = 文件不完整
dicom-malformed = 格式有误
dicom-big-endian = 采用了 DICOM 已废止的大端编码
dicom-too-large = 超出 DICOM 文件应有的大小或层数
dicom-name-identity = 身份证号
dicom-name-patient = 患者的姓名或编号
skipped-leftovers = 没有收入：系统和软件留下的 { $count } 项，例如 { $path }（--json 列出是哪些及原因）
skipped-more = 没有收入：另有 { $count } 项

## 不能打包的原因
name-fault = { $rule ->
    [encoding] 名称不是 UTF-8（convmv 可把旧的 GBK 名称转为 UTF-8）
    [control] 名称中有控制字符
    [long] 路径超过 1024 字节，或其中某个名称超过 255 字节
   *[other] 路径以 / 开头，或其中有空的部分、`.` 或 `..`
}
unpack-fault = { $cause ->
    [empty] 里面没有文件，或不是 tar 压缩包
    [large] 里面超过 20 万个文件或 256 GiB
    [link] 里面的“{ $member }”是硬链接，所指的文件不在包中
    [sparse] 里面的“{ $member }”是稀疏文件，打包时请不要用 --sparse
   *[broken] 读不出来（{ $detail }）
}
left-out = { $count ->
    [1] { $first } 没有收入：{ skip-reason }
   *[other] 有 { $count } 项没有收入，例如 { $first }：{ skip-reason }
}
skip-reason = { $reason ->
    [link] 链接，不跟随
    [pipe] 命名管道
    [socket] 套接字
    [device] 设备
    [lock] 办公软件打开文档时留下的
    [unfinished] 没有下载完
    [version_control] 版本管理软件自己的文件
   *[system] 操作系统自己的文件
}

## 操作系统的说法
system-error = { $words }（系统错误 { $number }）
system-read-only = 磁盘或目录是只读的
system-no-space = 磁盘已满
system-permission = 没有权限
system-not-found = 没有这个文件或目录
system-exists = 已有同名的文件或目录
system-is-a-directory = 这里是目录，不是文件
system-not-a-directory = 路径中有一处不是目录
system-links = 硬链接太多
system-name = 该磁盘不接受这个名称，或名称太长
system-file-too-large = 文件超过该磁盘格式允许的大小
system-busy = 正被使用
system-io = 读写出错，磁盘可能有损坏
system-open-files = 打开的文件太多
system-unplugged = 磁盘或设备不在了
system-loop = 链接绕成了圈，或不该是链接
system-address-in-use = 该地址或端口已被占用
system-no-address = 本机没有这个地址
system-refused = 连接被拒绝，对方没有运行
system-unreachable = 无法到达对方的网络
system-timed-out = 没有应答
