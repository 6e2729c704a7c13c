### 命令的中文文字。各语言的键相同；`{ $name }` 是参数。


## 输入
error-collection-name = “{ $found }”不是内容集的名称：格式为 发布者/名称，例如 bj4/algebra-1
error-kind = “{ $found }”不是内容集的类型：请用 { $known } 之一
error-proxy = --proxy 的格式为 http://[用户名:密码@]主机:端口
error-address = { $flag } 需要带端口的地址，例如 0.0.0.0:4041，而不是“{ $found }”
error-rate = { $flag } 需要以 Mbit/s 为单位的数字，例如 20 或 0.5，而不是“{ $found }”
error-count = { $flag } 需要 1 到 100000 之间的整数，而不是“{ $found }”
error-queue = { $flag } 需要 1 到 1000 之间的整毫秒数，而不是“{ $found }”
error-mode = --mode 只能是 thrifty 或 fast，而不是“{ $found }”
error-no-home = 当前用户没有主目录：请用 --home 目录 指明节点的目录
error-no-folder = 没有目录 { $path }：请检查名称
error-path = 无法使用 { $path }：{ $detail }
error-relative-path = “{ $path }”不是绝对路径
error-body = 无法读懂请求：{ $detail }

## 节点
error-not-running = 节点没有运行：请用 `karez run` 启动（{ $socket } 没有应答）
error-not-allowed = 无权使用 { $socket }：请以运行节点的用户执行
error-broken = 与节点的连接中断（{ $detail }）：请再次执行同一命令，会从中断处继续
error-cut-short = 节点在完成前停止了：请用 `karez run` 启动，再次执行同一命令
error-stopping = 节点正在停止：请用 `karez run` 启动，再次执行同一命令
error-unknown-endpoint = 本程序与正在运行的节点版本不同：请重启节点
error-link-elsewhere = { $path } 与本节点的存储不在同一磁盘，以后拔下或卸载，本机就会缺少数据：请去掉 --link，或用 --to 指定该磁盘上的目录
error-own-folder = { $path } 在本节点自己的目录 { $own } 之中，那里只由节点写入：请另选目录
error-gateway-off = 播放网关已关闭：启动节点时不要加 `--gateway off`，或改用 `karez pull`
error-gateway-host = 播放网关只以 localhost、127.0.0.1、[::1] 或它自己的地址应答，不能用“{ $found }”：请改用其中之一打开
error-gateway-range = 文件有 { $size } 字节：请求的范围不在其中
error-gateway-lost = “{ $path }”的一部分在本机已丢失：原文件被改动、移动或删除，或磁盘有损坏。其他节点一有就会重新取回，请稍后再试。如是本机发布的，请重新发布该目录；详情见 `karez status`
error-gateway-away = { $file } 不在，它所在的磁盘也不在：请重新接上该磁盘
error-gateway-unreadable = 无法读取“{ $path }”：{ $detail }
error-store = 节点的存储出错：{ $detail }

## 内容
error-unknown-collection = 目录中没有“{ $collection }”：`karez search` 列出所有内容集
error-unknown-item = “{ $collection }”中没有“{ $item }”：`karez show { $collection }` 列出各课
error-unknown-file = “{ $collection }”中没有文件“{ $path }”
error-not-ready = “{ $collection }”的说明还没有到达：请稍后再试，或查看 `karez status`
error-not-publisher = 本节点不能以“{ $publisher }”的名义发布：邀请中写的是 { $owned }
error-compressed-tar = 没有发布：{ $path } 是压缩包，里面改动一处，整个包就要重新传送。请先解压，或加上 --unpack 发布
error-compressed-tar-by-hand = 没有发布：{ $path } 是压缩包，里面改动一处，整个包就要重新传送。请先解压
error-no-ffmpeg = 没有发布：制作低清版本需要 { $program }，本机没有安装（Debian、Ubuntu：apt install ffmpeg）
error-ffmpeg = 没有发布：ffmpeg 处理 { $path } 失败：{ $line }（日志：{ $log }）
error-rendition = “{ $found }”不能用作画面高度：请给出 120p 到 1080p 之间的偶数，例如 360p,480p
error-sensitivity = 没有发布：collection.toml 中写的是 sensitivity = "{ $found }"，目前只能发布公开（open）内容集，发布的内容所有成员都能看到
error-refused = 没有发布：请用 DICOM 去标识工具清除标签，解压压缩包，或把这些文件移出目录
error-pack = 没有发布：{ $detail }
error-publishing = { $collection } 已经在发布：请等它结束
error-pack-no-folder = 没有发布：没有目录 { $path }，请检查名称
error-pack-not-a-folder = 没有发布：{ $path } 不是目录。请把文件放进单独的目录再发布
error-pack-empty = 没有发布：{ $path } 中没有文件。以前发布的保持原样
error-pack-own-folder = 没有发布：{ $path } 属于本节点，它在要发布的目录之内，或该目录在它之内。请把两者分开
error-pack-not-readable = 没有发布：节点无权读取 { $path }。请给运行节点的用户读权限，或移出目录
error-pack-unreadable = 没有发布：无法读取 { $path }（{ $detail }）。请设为可读，或移出目录
error-pack-changing = 没有发布：{ $path } 正被其他程序改动。请等它完成后再发布
error-pack-name-encoding = 没有发布：名称 { $path } 不是 UTF-8。请改名（convmv 可把旧的 GBK 名称转为 UTF-8）
error-pack-name = 没有发布：请给 { $path } 改名，{ $rule ->
    [control] 名称中有控制字符
    [long] 路径超过 1024 字节，或其中某个名称超过 255 字节
   *[other] 名称不可用
  }
error-pack-names = 没有发布：有 { $count } 个名称无法发布：
    {"    "}{ $lines }
    请改名：要用 UTF-8（convmv 可把旧的 GBK 名称转为 UTF-8），不含控制字符，每个名称不超过 255 字节，路径不超过 1024 字节
error-pack-description = 没有发布：{ $path } 有误：
    { $lines }
error-pack-unknown-item = 没有发布：{ $path } 中写了“{ $key }”，但没有这个目录或文件。请更正名称
error-pack-unpack = 没有发布：无法解压 { $path }，{ $cause ->
    [empty] 里面没有文件，或不是 tar 压缩包
    [large] 里面超过 20 万个文件或 256 GiB
    [name] 里面有无法发布的名称（{ $detail }）
    [link] 里面的硬链接所指的文件不在包中（{ $detail }）
    [sparse] 里面有稀疏文件，打包时请不要用 --sparse（{ $detail }）
   *[broken] 读不出来（{ $detail }）
  }。请自行解压
error-pack-collision = 没有发布：“{ $path }”既在目录中，又在压缩包或低清版本中。请改其中一个的名称
error-pack-too-large = 没有发布：目录太大，放不进一个内容集（{ $detail }）。请拆分
error-pack-disk-full = 没有发布：{ $path } 所在磁盘已满。请腾出空间后再发布，已存内容不会丢失
error-pack-quota = 没有发布：存储已达限额。用 `karez gc` 腾出不需要的，或用 `karez quota` 提高限额
error-no-space = 副本需要 { $needed }，而 { $path } 只剩 { $free }：请用 --to 选择别的磁盘，或用 `karez play` 直接播放
error-read-only-path = 无法写入 { $path }：所在磁盘或目录是只读的。请改为可写，或用 --home 选择别的目录
error-no-permission = 无法使用 { $path }：当前用户没有权限。请授予权限，或用节点的用户执行
fault-disk-full = { $path } 所在的磁盘已满：请腾出空间；已存的内容没有丢失
fault-quota = 存储已达到 { $bytes } 字节的限额：请用 `karez gc` 清理不需要的内容，或提高限额
fault-read-only = 无法写入 { $path }：所在磁盘或目录是只读的。请改为可写，再重新启动节点
fault-away = 找不到 { $path }，它所在的磁盘也不在：请重新接上磁盘
fault-damaged = 磁盘上有一块数据已损坏，正在重新获取
fault-system = 无法使用 { $path }：{ $detail }
fault-missing = 内容不全：请先获取
fault-in-the-way = { $path } 挡住了路：请移走，或选择别的目录
fault-busy = 另一个复制正在写入 { $path }：请等它结束
fault-other = { $detail }
fault-proxy-unreachable = 无法连接 HTTP 代理 { $proxy }（{ $detail }）：请检查 --proxy 中的地址和网络
fault-proxy-credentials = HTTP 代理 { $proxy } 需要用户名和密码，或拒绝了所给的：--proxy http://用户名:密码@{ $proxy }
fault-proxy-forbidden = HTTP 代理 { $proxy } 不允许本节点访问 { $target }（应答 { $status }）：请代理的管理员允许对该端口的 CONNECT，或请对方改在 443 端口上监听
fault-proxy-no-way = HTTP 代理 { $proxy } 到不了 { $target }（应答 { $status }）：若其他机器能访问它，请询问代理的管理员
fault-not-a-proxy = { $proxy } 的应答不像 HTTP 代理：请检查 --proxy 中的地址
problem-roster = 新的成员名单无法保存：{ $detail }
problem-forked = { $collection }：第 { $version } 版被签了两次，内容却不同，发布者的密钥可能被盗用
problem-unlisted = { $collection } 已发布，但尚未登记：{ $detail }
problem-lost = { $collection }：存储的一块数据损坏或丢失，正在重新获取
problem-changed-files = 有文件被改动、移走或删除，其中已没有当初发布的数据（括号内为块数）：{ $files }。请重新发布该目录，并用 `karez gc` 清理仍需要它们的旧版本；用 --link 复制的文件，只要有节点存有这些数据，就会自行修复
status-unreadable = { $path } 已损坏，其中记录的内容无从得知；除非本机存有更新的完整版本，`karez gc` 会一直等待：请删除它，然后重新获取或发布
error-damaged-release = { $path } 已损坏，其中记录的内容可能仍有用：没有清理任何内容。请删除该文件，然后重新获取或发布
error-copy-disk-full = 复制失败：{ fault-disk-full }
error-copy-quota = 复制失败：{ fault-quota }
error-copy-read-only = 复制失败：{ fault-read-only }
error-copy-away = 复制失败：{ fault-away }
error-copy-damaged = 复制失败：{ fault-damaged }
error-copy-system = 复制失败：{ fault-system }
error-copy-missing = 复制失败：{ fault-missing }
error-copy-in-the-way = 复制失败：{ fault-in-the-way }
error-copy-busy = 复制失败：{ fault-busy }
error-copy = 复制到 { $path } 失败：{ $detail }
error-nothing-to-play = “{ $collection }”在这里没有可播放的文件：`karez show { $collection }` 列出文件
error-kept = 目录中有 { $files } 个文件不属于本内容集，已保持原样：请移走这些文件、用 --to 另选目录，或加 --overwrite 重新执行
error-import-damaged = 数据包中有 { $count } 条记录已损坏或没有签名依据，未收入；其余已收入。缺少的部分可由新的数据包或网络补齐
error-no-player = 这里无法打开播放器：请把地址 { $url } 复制到播放器或浏览器

## 安装
error-home-missing = { $home } 还不是节点的目录：请先执行 `karez init`
error-home-exists = { $home } 中已经有一个节点：保持原样
error-not-joined = 本节点还没有加入网络：请用县里管理员发来的邀请执行 `karez join 邀请`
error-damaged = { $path } 已损坏：{ $detail }
error-invite-prefix = 邀请以“karez1:”开头：请复制县里管理员发来的整行文字
error-invite-damaged = 邀请不完整（缺字符或有错字符）：请重新复制
error-invite-document = 邀请无法使用：{ $detail }
error-tracker-unreachable = 无法联系 { $url } 的跟踪服务器（{ $detail }）：请检查网络，或向管理员确认它在运行
error-tracker-invite = 跟踪服务器不接受此邀请（{ $detail }）：请向管理员要新的邀请
error-tracker-refused = 跟踪服务器拒绝：{ $detail }
error-not-a-tracker = { $url } 的应答不像 Karez 跟踪服务器：请检查地址
error-roster-answer = 跟踪服务器的应答不是用邀请中的密钥签名的（{ $detail }）：请不要信任这个网络，并询问管理员
error-roster-saved = 保存的成员名单无效（{ $detail }）：请重新执行 `karez join 邀请`
error-not-listed = 跟踪服务器有应答，但成员名单中没有本节点：请向管理员要新的邀请
error-other-network = 本节点已属于另一个网络：第二个网络请用另一个目录（`--home 目录`）
error-already-running = 已有节点在使用此目录（{ $dir } 被占用）：请先停止它，或用 --home 选择别的目录
error-disk-full = { $path } 所在磁盘已满：请腾出空间后重新启动，已存内容不会丢失
error-port = { $detail }。端口可能被其他程序占用：请用 --listen 选择别的端口
error-gateway-port = 播放网关无法使用 { $address }（{ $detail }）：请用 --gateway 选择别的地址，或 --gateway off
error-control-socket = 无法打开控制套接字：{ $detail }
init-done = 本机已成为节点：{ $peer }
    目录：{ $home }
    下一步：用县里管理员发来的邀请执行 `karez join 邀请`。
join-done = 已加入网络 { $network }，名称为 { $name }。
    下一步：`karez run`。
join-publisher = 可以用 { $publisher } 的名义发布。
run-ready = 正在运行：{ $peer }，监听 { $listen }。按 Ctrl-C 停止。
run-gateway = 课程播放地址：{ $gateway }
run-stopped = 已停止。已取得的内容全部保留。

## 目录
search-empty = 目录是空的：还没有发布内容，或跟踪服务器尚未应答（见 `karez status`）。
search-nothing = 没有与“{ $query }”相符的内容：不带关键词的 `karez search` 列出全部。
list-empty = 本机还没有内容集：`karez search` 列出可取的内容，`karez pull 发布者/名称` 取回。
show-creators = 作者：{ $value }
show-languages = 语言：{ $value }
show-licence = 许可：{ $value }
show-sizes = 文件共 { $plain }；现在取回的内容为 { $bound ->
    [upper] 最多 { $wire }
   *[exact] { $wire }
  }（经网络约 { $framed }），另存副本占磁盘 { $copy }
show-more-items = 还有 { $count } 个条目没有列出；每个都可以按名称取回
show-following = 新版本会自动到达。
follow-on = { $collection }：今后新版本会自动到达。
follow-off = { $collection }：不再自动接收新版本，已有内容保留。
kind-course = 课程
kind-consultation = 会诊
kind-care = 护理
kind-library = 图书馆
kind-culture = 文化
kind-sport = 体育
here-yes = 齐全
here-older = v{ $version }
here-no = –
column-collection = 内容集
column-title = 标题
column-kind = 类型
column-items = 课数
column-size = 大小
column-here = 本机
column-number = 序号
column-key = 标识
column-version = 版本
column-state = 状态
column-peer = 节点
column-role = 角色
column-received = 已接收
column-sent = 已发送
column-rate = 速率
column-lane = 通道
lane-lan = QUIC，本地局域网
lane-quic = QUIC
lane-udp-blocked = 走控制连接：UDP 不通
lane-udp-throttled = 走控制连接：UDP 被限速
lane-proxy = 走控制连接，经 HTTP 代理：UDP 不通
lane-relayed = 经 { $relay } 中转：无法直连
column-rtt = 往返时间

## 取回与发布
files-count = { $count } 个文件
pull-plan = { $title }，第 { $version } 版：{ $files }，{ $plain }；需取回 { $wire }（经网络约 { $framed }）
pull-copy = 副本存到 { $to }，占磁盘 { $copy }。
pull-copy-free = 副本存到 { $to }，占磁盘 { $copy }，剩余 { $free }。
pull-renamed = { $path } 在副本中名为 { $exported }：{ $reason }
pull-kept = { $path } 保持原样：它不是本内容集任何版本的文件
renamed-characters = 含有 Windows 或 U 盘无法保存的字符，或不可见字符
renamed-reserved = Windows 把这个名称当作设备
renamed-ending = Windows 会去掉末尾的点和空格
renamed-normalised = 改用组合字符（NFC）
renamed-length = 名称太长
renamed-collision = 另有文件同名（仅大小写不同）
pull-eta = 还需 { $eta }
pull-sources = 旗舰 { $flagship } · 其他节点 { $peers } · 同组 { $group } · 本机已有 { $here }
pull-waiting = 已连接的节点都没有其余部分；{ $from }
pull-problem = 已停住：{ $problem }
pull-copying = 正在复制
pull-done = { $files }，{ $bytes }，存于 { $to }（用时 { $wall }）
pull-linking = 正在把副本作为本节点自己的数据
pull-linked = 副本中有 { $files }现在就是本节点自己的数据，已设为只读：{ $bytes } 只存一份，腾出磁盘 { $freed }。请勿改动或删除，缺失的部分会重新取回。
pull-not-linked = { $path } 与本节点的数据各存一份：它属于其他用户，或已被改动
publish-packing = 正在打包，已完成 { $files }
publish-done = 已发布 { $collection } 第 { $version } 版。
publish-unchanged = { $collection } 第 { $version } 版与此完全相同：没有发布新版本。
publish-sizes = { $files }，{ $plain }；存储 { $stored }，其中对已有上一版的节点 { $new } 是新的
publish-sizes-first = { $files }，{ $plain }；存储 { $stored }
publish-in-place = 其中 { $bytes } 留在原目录，本节点不另存副本：请勿移动或改动这些文件，改动后请重新发布。
publish-unlisted = 跟踪服务器尚未登记，下次联系时会登记。
publish-skipped = 有 { $count } 项没有收入：
publish-rendering = 正在制作低清版本，第 { $number } 个，共 { $count } 个（{ $height }）
publish-renditions = 其中低清版本 { $count } 个
publish-plain = 有 { $count } 个影片或压缩包无法按结构拆分，更新时可能要多传一些：用 --json 查看是哪些及原因
publish-title = 标题：{ $title }
publish-warnings = 文件有 { $count } 处需要留意：
publish-refused = 以下 { $count } 处内容不得公开：
notices-more = 另有 { $count } 处
play-rendition = { $height } 线：{ $url }
play-subtitle = 字幕：{ $url }

## 状态
status-node = { $name }，网络 { $network }，已运行 { $uptime }（karez { $version }）
status-peer = 节点号    { $peer }
status-listen = 监听      { $listen }；{ $limits }；播放网关 { $gateway }
status-tracker = 跟踪服务  { $url }，可以联系
status-tracker-away = 跟踪服务  { $url }，无法联系；上次联系：{ $last }。{ $problem }
status-bytes = 传输      接收 { $received }（旗舰 { $flagship } · 其他节点 { $peers }，其中同组 { $group }）；发送 { $sent }
status-relay = 中转      已为其他节点转发 { $bytes }；线路 { $circuits }/{ $most }，可经此联系 { $reservations } 个；限速 { $limit }；拒绝 { $refused } 次
status-relay-unlimited = 不限
status-proxy = 代理      经 HTTP 代理 { $proxy } 联系跟踪服务和其他节点
status-through = 中转途径  无法直连时，其他节点经 { $relays } 联系本节点
status-relayed = ；经中转接收 { $bytes }
status-store = 存储      { $used }
status-store-quota = 存储      { $used }，限额 { $quota }
status-damaged = ；损坏 { $chunks } 块，有节点有时会取回
status-scrub = ；正在检查，已完成 { $percent } %
status-problems = 需要处理：
status-no-peers = 没有连接到其他节点。
status-missing = { $collection }：{ $missing }；{ $from }
missing-description = 它的说明还没有到达
missing-chunks = 还缺 { $missing } 块，其中 { $count } 块在已连接的节点上都没有
waiting-for = 等待 { $names }
waiting-for-nobody = 不知道哪个节点有
tracker-never = 从未
limit-none = 不限
limits = 上行 { $up }，下行 { $down }
limits-peer = （单个节点：上行 { $up }，下行 { $down }）
gateway-off = 已关闭
state-complete = 齐全
state-published = 本机发布
state-paused = 暂停
state-waiting = 等待
state-pulling = 正在取回，{ $rate }
state-pulling-eta = 正在取回，{ $rate }，还需 { $eta }
state-following = { $state }，自动更新
role-flagship = 旗舰
role-group = 同组
role-site = 站点
duration-seconds = { $seconds } 秒
duration-minutes = { $large } 分 { $small } 秒
duration-hours = { $large } 小时 { $small } 分
duration-days = { $large } 天 { $small } 小时

## 随盘传递
error-courier = { $detail }
error-no-request = 没有文件 { $path }：存储盘插好了吗？这个文件由该站点的 `karez request` 写出
error-not-a-request = { $path } 不是 `karez request` 写出的完整文件：它是空的、不完整，或是别的文件。请在该站点重新写出，再重新复制
error-newer-request = { $path } 由更新版本的 Karez 写出：请升级本节点
error-foreign-request = { $path } 来自另一个网络：请用本网络站点的文件
error-no-stick-folder = 没有目录 { $path }：存储盘插好了吗？如已插好，请先建立该目录
error-not-a-folder = { $path } 不是目录：请给出存储盘上的目录
error-not-writable = 节点无法写入 { $path }：请给运行节点的用户写权限，或以可写方式接入存储盘
error-not-readable = 节点无法读取 { $path }：请给运行节点的用户读权限
error-no-bundle = { $path } 中没有数据包：请给出 karez-bundle-... 目录，或它所在的目录
error-unfinished-bundle = 数据包 { $path } 没有写完（已有 { $parts } 个部分）：请再次执行同一 export 命令，会从中断处继续
error-not-plain = { $path } 不是数据包应有的普通文件：请不要信任这个存储盘
error-damaged-bundle = { $path } 已损坏：请重新导出数据包
error-foreign-bundle = { $path } 是为另一个网络制作的：本节点不能使用
error-incomplete = { $collection } 第 { $version } 版在本机不齐全：请先取回
error-small-stick = 数据包需要 { $needed }，而 { $path } 只剩 { $free }：请换更大的存储盘
error-full-stick = { $path } 没有剩余空间：请腾出空间或换更大的存储盘，再执行同一命令
error-read-back = { $path } 读回的与写入的不同：请不要再用这个存储盘
error-too-much = 一个数据包放不下：请分几次导出，每次少选一些内容集
error-unknown-member = 网络中没有名为“{ $name }”的成员：请向该站点核对名称
request-done = 已写入：{ $path }
    请把它带到有所需内容的节点，在那里执行 `karez export --have 文件 --to 目录`。
export-checking = 正在读回核对
export-unknown-site = 不知道该站点已有什么，因此全部打包。在该站点执行 `karez request` 可写出说明文件。
export-done = { $path }：{ $bytes }，共 { $chunks } 块；该站点已有的 { $held } 块没有打包。
    在站点执行：`karez import 目录`。
import-damage = {"  "}{ $path } @ { $offset }：{ $fault }
import-damages-more = {"  "}另有 { $count } 条
import-unnamed = 有 { $count } 块位于描述中已损坏的页之后，只有该页能说明这些块是什么。请保留数据包：从网络取得描述（karez show 发布者/名称）之后，再次收入即可用上。也可重新导出。
import-part = 此分卷属于别的数据包或位置，或开头已损坏
import-part-unreadable = 此分卷读不出来（{ $detail }）
import-part-short = 此分卷不完整
import-bytes = 字节已损坏
import-record-unreadable = 介质读不出这些字节
import-release = 版本记录已损坏
import-too-many-releases = 一个数据包中的版本太多
import-release-refused = 不接受的版本（{ $detail }）
import-page-unnamed = 前面没有已接受的版本列出此页
import-page-rules = 此页不合格式
import-chunks-unnamed = 有 { $count } 块，前面的页没有列出
import-chunk-length = 块的长度与描述不符
import-chunk = 页或块已损坏
import-done = 新存入 { $new } 块（{ $bytes }）；本机已有 { $held } 块。

## 存储维护
error-pin = “{ $found }”不是内容集：请写“发布者/名称”或“发布者/名称@版本”
error-size = “{ $found }”不是字节数：请写 500K、20M 或 2G 这样的值
error-unreadable-releases = 有 { $count } 个版本文件无法读取：处理办法见上
error-still-damaged = 有 { $chunks } 块已损坏，可联系的节点都没有：一旦有节点有就会取回
pin-on = 已固定 { $pin }：腾空间时不会删除它。
pin-was-on = { $pin } 早已固定。
pin-off = 已取消固定 { $pin }。
pin-was-off = { $pin } 本来就没有固定。
pins-none = 没有固定的内容集。
quota-none = 已用 { $used }，没有限额；磁盘剩余 { $free }
quota-set = 已用 { $used }，限额 { $quota }；磁盘剩余 { $free }
quota-over = 已用 { $used }，超出限额 { $quota }：不再存入新内容；磁盘剩余 { $free }
scrub-done = 已读 { $checked } 块（{ $bytes }）。
scrub-stopped = 已停止，读了 { $checked } 块（{ $bytes }）：用 `karez scrub --resume` 接着读。
scrub-never = 节点启动以来还没有检查过存储。
scrub-repairing = 正在取回损坏的部分
scrub-found = 损坏 { $found } 块；已修复 { $repaired } 块，已不再需要 { $unneeded } 块，无处可取 { $missing } 块
scrub-lost = { $version } 仍缺 { $chunks } 块（{ $bytes }），涉及：{ $items }。其他节点一有就会取回。
scrub-lost-published = { $version } 仍缺 { $chunks } 块（{ $bytes }），涉及：{ $items }。请重新发布该目录：缺少的部分会重新存入。
scrub-lost-superseded = { $version } 仍缺 { $chunks } 块（{ $bytes }），涉及：{ $items }。已有更新的版本：`karez gc` 会删除这一版。
scrub-unreadable = 无法读取 { $path }，其中记录的内容无从得知：请删除它，然后重新获取或发布。
error-busy-publish = 正在发布目录：请等它结束后再试
error-busy-import = 正在收入数据盘：请等它结束后再试
error-busy-use = 要删除的内容此刻正被使用：请再试一次
error-short = 还差 { $bytes } 腾不出来：请取消一些固定或自动更新，或加上 --last-copies
gc-goes = 已删除    { $name }，{ $bytes }：{ $reason }
gc-would-go = 将删除    { $name }，{ $bytes }：{ $reason }
gc-stays = 保留      { $name }：{ $reason }
gc-name = { $collection } 第 { $version } 版
gc-name-draft = { $collection } 第 { $version } 版（未签名）
gc-pinned = 已固定
gc-published = 本机发布
gc-following = 自动更新
gc-pulling = 正在取回
gc-in-use = 正在被读取
gc-newest = 最新版本
gc-until-newer = 新版本取回之前，最新的齐全版本
gc-last-copy = 可能是本县最后一份（加 --last-copies 才会删除）；{ $holders }
gc-not-needed = 不删除它空间也够；{ $holders }
gc-superseded = 已有更新的版本
gc-for-room = 没有自动更新，且最久没有打开；{ $holders }
gc-holders = 本县其他副本：{ $county }，外地：{ $elsewhere }
gc-holders-unknown = 本县已知的其他副本：{ $county }（另有 { $unknown } 个成员尚无消息，情况不明），外地：{ $elsewhere }
gc-would-free = 可腾出 { $bytes }。
gc-freed = 已腾出 { $bytes }。
gc-left = 另有 { $bytes } 的无用数据留在无用部分很少的文件中。
