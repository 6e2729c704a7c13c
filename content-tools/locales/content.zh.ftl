### karez-content 的中文文字。各语言的键相同；`{ $name }` 是参数。

## 错误
error-no-store = { $dir } 中没有存储：请检查 --store，或用 `karez-content pack` 建立
error-no-folder = 没有目录 { $dir }：请检查路径
error-no-file = 没有文件 { $path }：请检查路径
error-not-a-file = { $path } 不是文件：请给出要切分的文件
error-unreadable = 无法读取 { $path }：{ $detail }
error-no-manifest = 此存储中没有清单“{ $text }”：请给出清单编号、发布者/名称[@版本]，或含清单根页的文件
error-no-item = “{ $manifest }”中没有“{ $item }”：不带 --item 则列出全部
error-missing-page = 清单有一页还不在此存储中：请先取回该内容集
error-locked = 存储 { $dir } 正被另一个 Karez 进程使用：请先停止它，或使用它的命令
error-read-only = 无法写入存储 { $dir }：所在磁盘或目录只读。请设为可写，或使用副本
error-disk-full = { $path } 所在磁盘已满：请腾出空间后再试，已存内容不会丢失；没有完成的部分可用 `karez-content gc` 清理
error-quota = 存储 { $dir } 已达限额 { $bytes } 字节：用 `karez-content gc` 腾出不需要的，或提高限额
error-system = 无法使用 { $path }：{ $detail }
error-file-changed = { $path } 已被改动、移动或删除，其中不再有要读的内容：请重新打包它所在的目录
error-chunk-damaged = 磁盘上的块 { $chunk } 已损坏：请重新打包该目录，或由节点重新取回
error-chunk-gone = 存过的块 { $chunk } 找不到了：请检查磁盘后再试
error-away = { $path } 不在，它所在的磁盘也不在：请重新接上该磁盘
error-poisoned = 先前向 { $dir } 所在磁盘写入失败：请检查磁盘后重新启动
error-newer-format = { $path } 由更新版本的 Karez 写出：请升级本程序
error-index = 存储的索引出错（{ $detail }）：下次打开存储时会重建
error-damaged-release = { $path } 已损坏，其中记录的内容可能仍有用：没有清理任何内容。请删除该文件，然后重新取回或打包
error-not-whole = { $name } 在此存储中不齐全，因此没有清理任何内容：请取回其余部分或重新打包（运行中的节点可用 `karez gc`，不必等待）
error-damaged-pins = { $path } 已损坏，因此不会清理任何内容：请删除它，再重新固定需要保留的
error-no-collection = { $fault ->
    [newer] 这份内容集描述由更新版本的 Karez 写出：请升级本程序
   *[other] 这不是内容集的描述，或已损坏
}
error-not-a-folder = { $path } 不是目录：请把文件放进单独的目录再打包
error-empty = { $path } 中没有可打包的文件：以前打包的保持原样
error-empty-skipped = { $path } 中没有可打包的文件（{ left-out }）：以前打包的保持原样
error-store-inside = 存储 { $path } 在要打包的目录之内，或目录在存储之内：请把两者分开
error-changing = { $path } 正被其他程序改动：请等它完成后再打包
error-name-encoding = 名称 { $path } 不是 UTF-8：请改名（convmv 可把旧的 GBK 名称转为 UTF-8）
error-compressed-tar = { $path } 是压缩包，里面改动一处，整个包就要重新传送。请先解压，或加上 --unpack
error-compressed-tar-by-hand = { $path } 是压缩包，里面改动一处，整个包就要重新传送。请先解压
error-unreadable-inside = 无法读取 { $path }：{ $detail }；请设为可读，或移出目录
error-unpack = 无法解压 { $path }，{ unpack-fault }；请自行解压
error-name = 无法打包 { $path }，{ name-fault }：请改名
error-names = 有 { $count } 个名称无法打包：
    {"    "}{ $lines }
    请改名：要用 UTF-8（convmv 可把旧的 GBK 名称转为 UTF-8），不含控制字符，每个名称不超过 255 字节，路径不超过 1024 字节；压缩包内的路径不能以 / 开头，也不能含有 . 或 ..
error-description = { $path } 有误：{ $lines }
error-unknown-item = { $path } 中写了“{ $key }”，但没有这个目录或文件：请更正名称
error-item-left-out = { $path } 中写了“{ $key }”，但它没有收入（{ skip-reason }）：请补全或改名，或删去这一项
error-collision = “{ $path }”既在目录中，又在压缩包或低清版本中：请改其中一个的名称
error-sensitivity = collection.toml 中写的是 sensitivity = "{ $found }"：目前只能发布公开（open）内容集，发布的内容所有成员都能看到
error-refused = 没有打包：请用 DICOM 去标识工具清除标签，解压压缩包，或把这些文件移出目录
error-too-large = 目录太大，放不进一个内容集（{ $detail }）：请拆分
error-no-ffmpeg = 制作低清版本需要 { $program }，本机没有安装（Debian、Ubuntu：apt install ffmpeg）
error-ffmpeg = ffmpeg 处理 { $path } 失败：{ $line }（日志：{ $log }）
error-ffmpeg-start = 无法启动 ffmpeg：{ $detail }

## 结果
files = { $count } 个文件
items = { $count } 课
pages = { $count } 页
rows = { $count } 条块记录
bytes = { $count } 字节
pack-progress = { $done }/{ $total } 个文件，{ $bytes }/{ $all } 字节，{ $rate } MB/s，还需 { $left } 秒
pack-rendering = 正在制作低清版本，第 { $number } 个，共 { $total } 个（{ $height }）：{ $percent } %
pack-skipped = 没有收入：{ $path }（{ $reason }）
pack-warning = 留意：{ $path }：{ $text }
pack-warnings-more = 另有 { $count } 处
pack-refused-file = { $path }：{ $text }
pack-plain = 有 { $count } 个影片或压缩包按普通文件切分：用 --json 查看是哪些及原因
pack-unchanged = { $collection }：自第 { $version } 版以来没有变化
pack-done = { $collection }：第 { $version } 版，{ $files }，{ $bytes }
pack-wire = 需取回的新内容：{ $wire } 字节，共 { $stored } 字节
pack-in-place = { $bytes } 字节留在原目录：不重新打包就不要移动或改动这些文件
pack-restored = 重新存入了此存储缺少的 { $chunks } 块（{ $bytes } 字节）
pack-copied = 原来留在目录文件中的 { $bytes } 字节已复制到存储中：这一版不再需要那些文件
manifest = 清单 { $id }
inspect-sizes = { $items }，{ $files }，{ $bytes }，存储 { $stored }
inspect-pages = { $pages }，{ $rows }
inspect-empty = 空
diff-wire = 需取回的新内容：{ $bytes } 字节；连同报文头约 { $framed } 字节经过网络
quote-exact = 需取回的内容：正好 { $wire } 字节，共 { $stored } 字节；连同报文头约 { $framed } 字节经过网络
quote-upper = 需取回的内容：最多 { $wire } 字节，共 { $stored } 字节（清单各页不在这里）；连同报文头最多约 { $framed } 字节经过网络
gc-keep = 保留 { $name }：最新版本，或已固定
gc-drop = 删除 { $name }：已有更新的版本
gc-drop-damaged = 删除 { $name }：它的版本文件已损坏，且已有更新的版本
gc-draft = 草稿
gc-release = 发布版
gc-would-free = 重写 { $segments } 个段可腾出 { $bytes } 字节
gc-freed = 已腾出 { $bytes } 字节，移动了 { $chunks } 块
gc-left = 另有 { $bytes } 字节的无用数据留在无用部分很少的段中
gc-damaged = 发现 { $chunks } 块已损坏：会重新取回
gc-forgotten = 有 { $chunks } 个损坏的块已没有版本需要，不再列出
pin-on = 已固定 { $pin }
pin-was-on = { $pin } 早已固定
pin-absent = ，但此存储中还没有它：一旦取来就会保留。请核对名称
pin-off = 已取消固定 { $pin }
pin-was-off = { $pin } 本来就没有固定
quota-none = 已用 { $used } 字节，没有限额
quota-set = 已用 { $used } 字节，限额 { $quota } 字节
damaged = 已损坏：{ $chunk }
damaged-in = 已损坏：{ $chunk }，在 { $path } 中
damaged-unneeded = （没有版本需要它：`karez-content gc` 会把它从列表中去掉）
scrub-file-unneeded = ；其中 { $unneeded } 块没有版本需要，`karez-content gc` 会把它们从列表中去掉
scrub-file-changed = { $path } 已被改动、移动或删除：其中不再有 { $chunks } 块
scrub-done = 检查了 { $checked } 块，损坏 { $damaged } 块；{ $versions } 个版本中有 { $lost } 个缺少内容
lost-unreadable = 无法读取 { $path }，不知道它指的是什么：请删除它，再重新取回或发布
lost = { $name } 缺少 { $figures }
lost-to-come = { $name } 正在取回，不是损坏：还有 { $figures }
lost-chunks = { $chunks } 块（{ $bytes } 字节）
lost-pages = ，其中有清单页，页中写有 { $chunks } 块
lost-items = ，属于 { $items }
lost-items-more = {" "}等，另有 { $count } 课
lost-superseded = 已有更新的版本：`gc` 会删除这一版；要补回，方法与最新版相同
lost-draft = 请重新打包或发布该目录：缺少的会重新存入
lost-release = 请启动节点并执行 `karez scrub`，会从其他节点取回；如是本机发布的，请重新发布该目录
