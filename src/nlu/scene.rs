//! Where a conversation is at home: the industry, and the scene within it.

/// The industry of a campaign. The names are stable.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Industry {
    /// Banks, cards, loans, wealth.
    Finance,
    /// Insurance.
    Insurance,
    /// Courses, tutoring, exams.
    Education,
    /// Shops and memberships.
    Ecommerce,
    /// Mobile, broadband, cloud.
    Telecom,
    /// Buying, letting, furnishing.
    Property,
    /// Cars and what belongs to them.
    Automotive,
    /// Check-ups, clinics, beauty.
    Health,
}

impl Industry {
    /// All of them, in the order of their numbers.
    pub const ALL: [Self; 8] = [
        Self::Finance,
        Self::Insurance,
        Self::Education,
        Self::Ecommerce,
        Self::Telecom,
        Self::Property,
        Self::Automotive,
        Self::Health,
    ];

    /// The stable name, as flows, records and data sets write it.
    #[must_use]
    pub fn id(self) -> &'static str {
        match self {
            Self::Finance => "finance",
            Self::Insurance => "insurance",
            Self::Education => "education",
            Self::Ecommerce => "ecommerce",
            Self::Telecom => "telecom",
            Self::Property => "property",
            Self::Automotive => "automotive",
            Self::Health => "health",
        }
    }

    /// What a Chinese page calls it.
    #[must_use]
    pub fn zh(self) -> &'static str {
        match self {
            Self::Finance => "金融",
            Self::Insurance => "保险",
            Self::Education => "教育",
            Self::Ecommerce => "电商",
            Self::Telecom => "电信",
            Self::Property => "房产",
            Self::Automotive => "汽车",
            Self::Health => "医疗健康",
        }
    }

    /// The one with this name.
    #[must_use]
    pub fn from_id(id: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|one| one.id() == id)
    }

    /// Its scenes.
    pub fn scenes(self) -> impl Iterator<Item = Scene> {
        Scene::all().filter(move |scene| scene.industry() == self)
    }
}

/// What is sold or asked within an industry: a row of the table of scenes. The names are stable.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Scene(u8);

/// Industry, name, Chinese title, English title.
const SCENES: [(Industry, &str, &str, &str); 70] = [
    (Industry::Finance, "credit_card", "信用卡", "credit card"),
    (Industry::Finance, "personal_loan", "个人贷款", "personal loan"),
    (Industry::Finance, "mortgage", "房贷", "mortgage"),
    (Industry::Finance, "savings", "存款", "savings account"),
    (Industry::Finance, "wealth", "理财", "investments"),
    (Industry::Finance, "card_instalments", "账单分期", "card instalments"),
    (Industry::Finance, "repayment", "还款提醒", "repayment"),
    (Industry::Finance, "business_loan", "企业贷款", "business loan"),
    (Industry::Finance, "payments", "收款", "payment terminal"),
    (Industry::Insurance, "car_insurance", "车险", "car insurance"),
    (Industry::Insurance, "critical_illness", "重疾险", "critical illness cover"),
    (Industry::Insurance, "medical_insurance", "医疗险", "medical insurance"),
    (Industry::Insurance, "life_insurance", "寿险", "life insurance"),
    (Industry::Insurance, "accident_insurance", "意外险", "accident cover"),
    (Industry::Insurance, "pension", "养老险", "pension plan"),
    (Industry::Insurance, "home_insurance", "家财险", "home insurance"),
    (Industry::Insurance, "child_insurance", "少儿险", "children's insurance"),
    (Industry::Insurance, "policy_renewal", "续保", "policy renewal"),
    (Industry::Education, "english_course", "英语课程", "English course"),
    (Industry::Education, "k12_tutoring", "课外辅导", "school tutoring"),
    (Industry::Education, "exam_prep", "考试培训", "exam preparation"),
    (Industry::Education, "coding_course", "编程课", "coding course"),
    (Industry::Education, "adult_degree", "学历提升", "degree course"),
    (Industry::Education, "vocational", "职业培训", "vocational training"),
    (Industry::Education, "study_abroad", "留学", "studying abroad"),
    (Industry::Education, "arts_course", "艺术课", "music and arts lessons"),
    (Industry::Education, "trial_lesson", "试听课", "trial lesson"),
    (Industry::Ecommerce, "membership", "会员", "membership"),
    (Industry::Ecommerce, "promotion", "促销活动", "sale"),
    (Industry::Ecommerce, "coupon", "优惠券", "coupon"),
    (Industry::Ecommerce, "order_followup", "订单跟进", "order"),
    (Industry::Ecommerce, "win_back", "老客召回", "win-back offer"),
    (Industry::Ecommerce, "shop_opening", "商家入驻", "seller account"),
    (Industry::Ecommerce, "subscription_box", "定期购", "subscription box"),
    (Industry::Ecommerce, "delivery_plan", "配送会员", "delivery plan"),
    (Industry::Telecom, "broadband", "宽带", "broadband"),
    (Industry::Telecom, "mobile_plan", "手机套餐", "mobile plan"),
    (Industry::Telecom, "fifth_generation", "5G升级", "5G upgrade"),
    (Industry::Telecom, "data_pack", "流量包", "data pack"),
    (Industry::Telecom, "number_porting", "携号转网", "number porting"),
    (Industry::Telecom, "cloud_service", "云服务", "cloud service"),
    (Industry::Telecom, "tv_bundle", "电视套餐", "TV bundle"),
    (Industry::Telecom, "business_line", "企业专线", "business line"),
    (Industry::Telecom, "device_contract", "合约机", "phone on contract"),
    (Industry::Property, "new_home", "新房", "new homes"),
    (Industry::Property, "resale_home", "二手房", "resale homes"),
    (Industry::Property, "rental", "租房", "rented flat"),
    (Industry::Property, "shop_unit", "商铺", "shop unit"),
    (Industry::Property, "office_lease", "写字楼", "office lease"),
    (Industry::Property, "renovation", "装修", "renovation"),
    (Industry::Property, "property_sale", "卖房", "selling a home"),
    (Industry::Property, "viewing", "看房", "viewing"),
    (Industry::Property, "parking_space", "车位", "parking space"),
    (Industry::Automotive, "new_car", "新车", "new car"),
    (Industry::Automotive, "used_car", "二手车", "used car"),
    (Industry::Automotive, "test_drive", "试驾", "test drive"),
    (Industry::Automotive, "trade_in", "置换", "trade-in"),
    (Industry::Automotive, "car_loan", "车贷", "car loan"),
    (Industry::Automotive, "maintenance", "保养", "servicing"),
    (Industry::Automotive, "extended_warranty", "延保", "extended warranty"),
    (Industry::Automotive, "charging", "充电桩", "home charger"),
    (Industry::Health, "check_up", "体检", "health check"),
    (Industry::Health, "dental", "口腔", "dental care"),
    (Industry::Health, "eye_care", "眼科", "eye surgery"),
    (Industry::Health, "skin_care", "皮肤美容", "skin care"),
    (Industry::Health, "fitness", "健身", "gym membership"),
    (Industry::Health, "supplements", "保健品", "supplements"),
    (Industry::Health, "maternity", "月子母婴", "maternity care"),
    (Industry::Health, "vaccination", "疫苗", "vaccination"),
    (Industry::Health, "elder_care", "养老护理", "elder care"),
];

impl Scene {
    /// How many there are.
    pub const COUNT: usize = SCENES.len();

    /// All scenes, those of an industry together.
    pub fn all() -> impl Iterator<Item = Self> {
        (0..SCENES.len()).filter_map(|n| u8::try_from(n).ok()).map(Self)
    }

    /// The scene with this name.
    #[must_use]
    pub fn from_id(id: &str) -> Option<Self> {
        Self::all().find(|scene| scene.id() == id)
    }

    /// Its place in [`Scene::all`].
    #[must_use]
    pub fn number(self) -> usize {
        usize::from(self.0)
    }

    fn row(self) -> &'static (Industry, &'static str, &'static str, &'static str) {
        &SCENES[self.number()]
    }

    /// The industry that it belongs to.
    #[must_use]
    pub fn industry(self) -> Industry {
        self.row().0
    }

    /// The stable name.
    #[must_use]
    pub fn id(self) -> &'static str {
        self.row().1
    }

    /// What a Chinese page calls it.
    #[must_use]
    pub fn zh(self) -> &'static str {
        self.row().2
    }

    /// What an English page calls it.
    #[must_use]
    pub fn en(self) -> &'static str {
        self.row().3
    }
}

impl std::fmt::Debug for Scene {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.id())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_industry_has_at_least_eight_scenes_with_names_of_their_own() {
        let names: BTreeSet<&str> = Scene::all().map(Scene::id).collect();
        assert_eq!(names.len(), Scene::COUNT);
        for industry in Industry::ALL {
            assert!(industry.scenes().count() >= 8, "{}", industry.id());
            assert_eq!(Industry::from_id(industry.id()), Some(industry));
        }
        assert!(Scene::all().all(|scene| Scene::from_id(scene.id()) == Some(scene)));
    }
}
